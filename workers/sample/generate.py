"""The seeded stream of labelled sample products."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from workers.sample.dice import Dice
from workers.sample.tables import Leaf
from workers.sample.wording import (
    COLOURS,
    Design,
    affiliate_of,
    description_of,
    draw_design,
    merchant_category_of,
    title_of,
    unclassifiable_title,
)
from workers.sample.world import Brand, Shop, World, sample_world

DEFAULT_SEED: Final = 7
DEFAULT_PRODUCTS: Final = 20_000

# Share of designs. Other designs make 1.5 rows on average, so this is 2 % of the rows.
_UNCLASSIFIABLE_SHARE: Final = 0.03
_VARIANT_SHARE: Final = 0.25
_MISSING_BRAND: Final = 0.15
_WRONG_LABEL: Final = 0.015
# Variants of a product come close to each other in the stream, but not in one block.
_SHUFFLE_WINDOW: Final = 256
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


def generate_catalogue(seed: int = DEFAULT_SEED, products: int = DEFAULT_PRODUCTS) -> Iterator[Row]:
    """Yield ``products`` rows in the labelled-product format, keys as in :class:`schemas.events.product.Product`.

    In addition, ``category_path`` is the list of names from root to leaf, or ``None`` for the roughly 2 % of rows
    that no category fits. A row has all keys; ``None`` is a value that the feed left out. The same seed gives the
    same rows on every machine; another seed gives other products of the same brands and shops. Over 1 % of the
    labels are wrong, as labels made by people are. Raises :class:`ValueError` if ``products`` is negative.
    """
    if products < 0:
        raise ValueError(f"products is {products}; ask for 0 or more")
    dice = Dice(seed)
    rows = _mixed(dice, _endless(dice, sample_world()))
    return (_stamped(next(rows), seed, number) for number in range(products))


def write_catalogue(path: Path, seed: int = DEFAULT_SEED, products: int = DEFAULT_PRODUCTS) -> None:
    """Write the rows as JSON lines."""
    with path.open("wb") as file:
        file.writelines(
            orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in generate_catalogue(seed, products)
        )


def _stamped(row: Row, seed: int, number: int) -> Row:
    product_id = f"sample-{seed}-{number:07d}"
    updated = (_START + timedelta(seconds=37 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    image = f"https://images.example/{product_id}.jpg"
    label = row.pop("category_path")
    stamp = {"image_url": image, "updated_at": updated, "category_path": label}
    return {"product_id": product_id, **row, **stamp}


def _mixed(dice: Dice, rows: Iterator[Row]) -> Iterator[Row]:
    window = [next(rows) for _ in range(_SHUFFLE_WINDOW)]
    while True:
        index = dice.below(len(window))
        yield window[index]
        window[index] = next(rows)


def _endless(dice: Dice, world: World) -> Iterator[Row]:
    while True:
        leaf = dice.weighted(world.leaves)
        if dice.chance(_UNCLASSIFIABLE_SHARE):
            yield _unclassifiable(dice, leaf, world)
        else:
            yield from _product(dice, leaf, world)


def _product(dice: Dice, leaf: Leaf, world: World) -> Iterator[Row]:
    """Yield the variants of one product: usually one, otherwise up to four that differ in colour and size."""
    brand = dice.weighted(world.brands[leaf.position])
    design = draw_design(dice, leaf, brand)
    stores = _stores(dice, leaf, brand, world)
    description = description_of(dice, design, stores[0])
    merchant_category = merchant_category_of(dice, leaf, stores[0])
    affiliate = affiliate_of(dice, leaf, world)
    euros = _euros(dice, leaf)
    named = "" if dice.chance(_MISSING_BRAND) else brand.name
    label = _sibling(dice, leaf, world) if dice.chance(_WRONG_LABEL) else leaf
    for _ in range(_variants(dice)):
        colour, size = dice.pick(COLOURS), dice.pick(leaf.sizes)
        yield {
            "title": title_of(dice, design, colour, size, named),
            "description": description,
            "brand": named or None,
            "stores": [store.name for store in stores],
            "merchant_category": merchant_category,
            "affiliate": affiliate,
            **_price(euros, stores[0]),
            "attributes": _attributes(dice, design, colour, size),
            "category_path": list(label.path),
        }


def _variants(dice: Dice) -> int:
    return dice.between(2, 4) if dice.chance(_VARIANT_SHARE) else 1


def _unclassifiable(dice: Dice, leaf: Leaf, world: World) -> Row:
    shop = dice.pick(world.shops[leaf.position])
    return {
        "title": unclassifiable_title(dice),
        "description": shop.boilerplate if dice.chance(0.3) else None,
        "brand": shop.name if dice.chance(0.3) else None,
        "stores": [shop.name],
        "merchant_category": "Services" if dice.chance(0.2) else None,
        "affiliate": None,
        **_price(dice.between(1, 100), shop),
        "attributes": {},
        "category_path": None,
    }


def _stores(dice: Dice, leaf: Leaf, brand: Brand, world: World) -> list[Shop]:
    offered = world.shops[leaf.position]
    if brand.shop is not None:
        return [shop for shop in offered if shop.name == brand.shop]
    return dice.sample(offered, dice.between(1, 4))


def _euros(dice: Dice, leaf: Leaf) -> float:
    # Log-uniform: the prices of a category spread by ratios, not by differences.
    low, high = leaf.price
    return float(low * (high / low) ** dice.uniform())


def _price(euros: float, shop: Shop) -> Row:
    return {"price": round(euros * shop.euro_rate, 2), "currency": shop.currency}


def _attributes(dice: Dice, design: Design, colour: str, size: str) -> dict[str, str]:
    known = {"colour": colour, "size": size, "material": design.material}
    return {name: value for name, value in known.items() if dice.chance(0.6)}


def _sibling(dice: Dice, leaf: Leaf, world: World) -> Leaf:
    return dice.pick([other for other in world.leaves.items if other.path[:2] == leaf.path[:2]])
