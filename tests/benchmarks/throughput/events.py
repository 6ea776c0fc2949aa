"""Seeded product events: distinct products with titles of 8 to 30 words, like those of marketplaces."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from schemas.events.codec import encode
from schemas.events.product import Product
from workers.product_files import ProductFile
from workers.sample import generate_catalogue
from workers.sample.dice import Dice
from workers.sample.wording import COLOURS, model_code

FEWEST_WORDS, MOST_WORDS = 8, 30
# The largest share of real products, so that none has to be published twice.
_REAL_SHARE = 0.25
_PHRASES = (
    "with free returns",
    "gift idea for women and men",
    "new season",
    "ideal for travel and leisure",
    "easy to clean",
    "original packaging",
    "durable and lightweight",
    "indoor and outdoor use",
    "suitable for children",
    "limited edition",
    "high quality finish",
    "made in Portugal",
    "water resistant",
    "two year warranty",
    "ships within two days",
    "recyclable material",
)

Event = tuple[bytes, bytes]
"""The key and value of an event in its topic."""


def generate(seed: int, count: int, real: list[Product] | None = None) -> list[Event]:
    """Return the events of ``count`` distinct products; the same arguments give the same events.

    The ``real`` products are spread evenly among the generated ones, and are at most a quarter of all.
    """
    dice = Dice(seed)
    chosen = (real or [])[: int(count * _REAL_SHARE)]
    made = generate_catalogue(seed, count - len(chosen))
    products = _interleaved([product(dice, row) for row in made], chosen)
    return [(item.product_id.encode(), encode(item)) for item in products]


def product(dice: Dice, row: dict[str, Any]) -> Product:
    """Return the product of a row of the sample catalogue, with a long title."""
    return msgspec.convert(row | {"title": long_title(dice, row)}, Product)


def long_title(dice: Dice, row: dict[str, Any]) -> str:
    """Return a title of 8 to 30 words that begins like the row's own title."""
    length = dice.between(FEWEST_WORDS, MOST_WORDS)
    words = row["title"].split()
    about = dice.shuffled([*row["attributes"].values(), *(row["description"] or "").split(". ")[:2]])
    for text in about:
        words += text.split()
    while len(words) < length:
        kind = dice.below(4)
        if kind == 0:
            words += [dice.pick(COLOURS), f"{dice.between(1, 240)}", "cm"]
        elif kind == 1:
            words += ["model", model_code(dice)]
        else:
            words += dice.pick(_PHRASES).split()
    return " ".join(words[:length])


def read_real(directory: Path | None, count: int) -> list[Product]:
    """Return up to ``count`` products from the catalogues in a directory, mixed evenly; none if it has none."""
    files = sorted(directory.glob("*.jsonl.gz")) if directory is not None and directory.is_dir() else []
    if not files or not count:
        return []
    share = -(-count // len(files))
    by_file = [[row.product for row in islice(ProductFile(file), share)] for file in files]
    mixed = [rows[place] for place in range(share) for rows in by_file if place < len(rows)]
    return [
        msgspec.structs.replace(item, product_id=f"real-{number:07d}") for number, item in enumerate(mixed[:count])
    ]


def _interleaved(made: list[Product], real: list[Product]) -> Iterator[Product]:
    total = len(made) + len(real)
    rest, taken = iter(made), 0
    for place in range(total):
        if (place + 1) * len(real) // total > taken:
            yield real[taken]
            taken += 1
        else:
            yield next(rest)
