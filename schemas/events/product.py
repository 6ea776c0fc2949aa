"""Product changed: what a feed publishes. A removed product is a tombstone: its key with a null value."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Final

import msgspec

from schemas.errors import InvalidEvent
from schemas.events.codec import reason_of
from schemas.events.dead_letter import Reason

MAX_EVENT_BYTES: Final = 1_048_576
MAX_TAGS: Final = 250
_MAX_ID: Final = 256
_MAX_SHORT_TEXT: Final = 512

ProductId = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_ID, description="unique in the whole feed")]
ShortText = Annotated[str, msgspec.Meta(max_length=_MAX_SHORT_TEXT)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
Stores = Annotated[tuple[ShortText, ...], msgspec.Meta(max_length=100)]
Tags = Annotated[tuple[ShortText, ...], msgspec.Meta(max_length=MAX_TAGS)]
TagText = Annotated[str, msgspec.Meta(max_length=40_000, description="separated by commas, or by vertical bars")]
Timestamp = Annotated[datetime, msgspec.Meta(tz=True, description="RFC 3339 with a time zone")]


class Affiliate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The affiliate network through which a product came, and the network's category for it."""

    network: ShortText | None = None
    category: ShortText | None = None


class Product(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One product as its feed describes it.

    Unknown fields are ignored, so that feeds can add fields; null means no value. ``merchant_category`` is the
    brand's or shop's own text ("Home > Sale > Lamps"). ``tags`` are its keywords, as a list or a text. ``price``
    is in units of ``currency`` (ISO 4217).
    """

    product_id: ProductId
    title: Annotated[Title, msgspec.Meta(description="with at least one visible character")]
    description: Annotated[str, msgspec.Meta(max_length=100_000)] | None = None
    brand: ShortText | None = None
    stores: Stores = ()
    merchant_category: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None
    tags: Tags | TagText | None = None
    affiliate: Affiliate | None = None
    price: Annotated[float, msgspec.Meta(ge=0, le=1e12)] | None = None
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] | None = None
    image_url: Annotated[str, msgspec.Meta(max_length=4_000)] | None = None
    attributes: Annotated[
        dict[ShortText, Annotated[str, msgspec.Meta(max_length=4_000)]], msgspec.Meta(max_length=200)
    ] = {}
    updated_at: Timestamp | None = None

    def tag_list(self) -> tuple[str, ...]:
        """Return the tags, at most 250.

        Shopify gives them as one text separated by commas, files also by vertical bars. A part of such a text that
        is longer than 512 characters is ignored.
        """
        if isinstance(self.tags, str):
            parts = self.tags.split("|" if "|" in self.tags else ",")
            return tuple(tag for part in parts if 0 < len(tag := part.strip()) <= _MAX_SHORT_TEXT)[:MAX_TAGS]
        return self.tags or ()


_decoder = msgspec.json.Decoder(Product)
EMPTY_IF_NULL: Final = tuple(
    field.name for field in msgspec.structs.fields(Product) if not field.required and field.default is not None
)
"""Serialisers write null for a list or mapping that nobody set; the type of these fields does not allow null."""
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


def decode_product(value: bytes, key: bytes | None = None) -> Product:
    """Decode and check the value of a product event.

    Raises :class:`InvalidEvent`. If a key is given, it must be the product's id, because the order of a product's
    edits and its tombstone depend on it.
    """
    if len(value) > MAX_EVENT_BYTES:
        raise InvalidEvent(Reason.TOO_LARGE, f"{len(value)} bytes; an event may have at most {MAX_EVENT_BYTES}")
    try:
        # The decoder skips unknown fields without looking at their bytes, so check the encoding first.
        value.decode()
        product = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent(reason_of(error, value), str(error)) from None
    except RecursionError:
        raise InvalidEvent(Reason.MALFORMED_JSON, "nested too deeply") from None
    if is_blank(product.title):
        raise InvalidEvent(Reason.EMPTY_TITLE, "title is blank; a product needs a title to be classified")
    if key is not None and key != product.product_id.encode():
        raise InvalidEvent(Reason.KEY_MISMATCH, f"the message key is not product_id {product.product_id!r}")
    return product


def _decode(value: bytes) -> Product:
    try:
        return _decoder.decode(value)
    except msgspec.ValidationError:
        fields = msgspec.json.decode(value)
        nulls = [name for name in EMPTY_IF_NULL if isinstance(fields, dict) and fields.get(name, ()) is None]
        if not nulls:
            raise
        return msgspec.convert({name: fields[name] for name in fields if name not in nulls}, Product)


def is_blank(text: str) -> bool:
    """Return whether a text has no visible character."""
    return all(unicodedata.category(each) in _INVISIBLE for each in text)


def identify(value: bytes | None, key: bytes | None) -> tuple[str, datetime | None]:
    """Return the id of an event's product, and the event's own date; a removal, which has no value, has no date.

    Raises :class:`InvalidEvent` as :func:`decode_product` does, and if there is no key: events of a product would
    be in arbitrary partitions, and so have no order.
    """
    if value == b"":
        raise InvalidEvent(Reason.MALFORMED_JSON, "the value is empty; that of a removal is null")
    if not key:
        raise InvalidEvent(Reason.MISSING_KEY, "the message has no key; it must be the product_id")
    if value is not None:
        product = decode_product(value, key)
        return product.product_id, product.updated_at
    try:
        product_id = key.decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent(Reason.INVALID_UTF8, f"the key of a tombstone: {error}") from None
    if len(product_id) > _MAX_ID:
        raise InvalidEvent(Reason.OUT_OF_BOUNDS, f"a key of {len(product_id)} characters; {_MAX_ID} at most")
    return product_id, None
