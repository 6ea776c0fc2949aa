"""Turn one row of a file into a product and its label."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
import orjson

from schemas.events.product import Product, is_blank
from workers.product_files.lists import list_of, path_of, tags_of

_CONVERTED: Final = {"product_id", "title", "stores", "tags", "affiliate", "price", "attributes", "updated_at"}
_AS_THEY_ARE: Final = tuple(name for name in Product.__struct_fields__ if name not in _CONVERTED)
_LONGEST_PATH: Final = 32
_LONGEST_ID: Final = 512


@dataclass(frozen=True, slots=True)
class LabelledProduct:
    """A product, and the category that a person gave it, if any.

    ``category_path`` are names, root first; ``category_id`` is an id of the taxonomy. ``line`` counts from 1:
    lines of a text file, rows of a Parquet file.
    """

    product: Product
    category_path: tuple[str, ...] | None
    category_id: str | None
    line: int

    @property
    def is_labelled(self) -> bool:
        """Whether a person gave it a category."""
        return self.category_id is not None or bool(self.category_path)


class BadValue(Exception):
    """A value cannot be read; ``column`` is our name for its column."""

    def __init__(self, column: str, value: object, problem: str) -> None:
        super().__init__(problem)
        self.column = column
        self.value = value
        self.problem = problem


def labelled_product(row: Mapping[str, Any], line: int, path_separator: str | None = None) -> LabelledProduct:
    """Read a row that uses our names; raises :class:`BadValue`. Absent, null and empty mean the same.

    ``path_separator`` is that of :func:`workers.product_files.lists.path_of`.
    """
    get = row.get
    fields: dict[str, Any] = {
        "product_id": _identifier(get("product_id")),
        "title": get("title"),
    }
    for name in _AS_THEY_ARE:
        if (value := get(name)) is not None and value != "":
            fields[name] = value
    if (price := get("price")) is not None and price != "":
        fields["price"] = _price(price)
    made = {
        "stores": _stores(get("stores"), get("store")),
        "tags": tags_of(tags) if isinstance(tags := get("tags"), str) else tags,
        "affiliate": _affiliate(row),
        "attributes": _attributes(get("attributes")),
    }
    fields |= {name: value for name, value in made.items() if value}
    if updated_at := get("updated_at"):
        fields["updated_at"] = _time(updated_at)
    try:
        product = msgspec.convert(fields, Product)
    except msgspec.ValidationError as error:
        raise _bad_value(row, fields, str(error)) from None
    if is_blank(product.title):
        raise BadValue("title", product.title, "is blank; a product needs a title to be classified")
    path = _path(get("category_path"), path_separator)
    return LabelledProduct(product, path, _category_id(get("category_id")), line)


def _identifier(value: object) -> object:
    """Return a whole number as text; a column of whole numbers with gaps holds floats."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _category_id(value: object) -> str | None:
    if value is None or value == "":
        return None
    text = _identifier(value)
    if not isinstance(text, str) or len(text) > _LONGEST_ID:
        raise BadValue("category_id", value, f"is no text of up to {_LONGEST_ID} characters")
    if not (text := text.strip()):
        raise BadValue("category_id", value, "is blank; leave it empty where the product has no label")
    return text


def _price(value: object) -> float | None:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise TypeError
        price = float(value)
    except (TypeError, ValueError, OverflowError):
        problem = "is not a number such as 12.99; omit currency and separators, or the column (--column price=)"
        raise BadValue("price", value, problem) from None
    return None if math.isnan(price) else price


def _stores(stores: object, store: object) -> object:
    if isinstance(stores, str):
        stores = list_of(stores)
    if stores:
        return stores
    return () if not store and store != 0 else (_identifier(store),)


def _affiliate(row: Mapping[str, Any]) -> object:
    affiliate = row.get("affiliate")
    if isinstance(affiliate, str) and affiliate:
        affiliate = _json_object("affiliate", affiliate)
    if affiliate:
        return affiliate
    network, category = row.get("affiliate_network") or None, row.get("affiliate_category") or None
    return {"network": network, "category": category} if network or category else None


def _attributes(value: object) -> object:
    if isinstance(value, str) and value:
        value = _json_object("attributes", value)
    if isinstance(value, list):  # how a Parquet map arrives
        if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
            raise BadValue("attributes", value, "is a list; give an object of names and values")
        value = dict(value)
    if isinstance(value, dict):
        return {str(name): _text(name, item) for name, item in value.items() if item is not None}
    return value


def _text(name: object, value: object) -> object:
    if isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if not isinstance(value, str):
        raise BadValue("attributes", value, f"is no text, under {name!r}; flatten it")
    return value


def _json_object(column: str, text: str) -> object:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadValue(column, text, f"is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadValue(column, text, "is JSON, but no object")
    return value


def _time(value: object) -> object:
    # Timestamps in Parquet usually have no time zone and mean UTC.
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _path(value: object, separator: str | None) -> tuple[str, ...] | None:
    if value is None or value in ("", []):
        return None
    if isinstance(value, str):
        value = path_of(value, separator)
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise BadValue("category_path", value, 'is neither a list of names nor text such as "Home > Lamps"')
    names = tuple(" ".join(name.split()) for name in value)
    if len(names) > _LONGEST_PATH or not all(names):
        raise BadValue("category_path", value, f"has a blank name or over {_LONGEST_PATH} levels")
    return names


def _bad_value(row: Mapping[str, Any], fields: Mapping[str, Any], message: str) -> BadValue:
    """Find the column in a message such as "Expected `str`, got `int` - at `$.brand`"."""
    problem, _, place = message.partition(" - at `$")
    column = place.strip("`.").split("[")[0].split(".")[0]
    if not column:
        return BadValue("", None, message)
    if column == "updated_at":
        problem += "; write it as 2026-01-31T12:00:00Z"
    value = fields.get(column)
    if value not in (None, ""):
        return BadValue(column, value, f"does not fit: {problem}")
    return BadValue(column, value, "is blank; every product needs one" if column in row else "is missing")
