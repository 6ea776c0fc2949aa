"""The demo's products: most for training, the rest for the feed, whose labels are kept to check decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import InvalidProducts
from schemas.taxonomy import Taxonomy, read_taxonomy
from workers.fit.label_tree import taxonomy_of_labels
from workers.product_files import LabelledProduct, ProductFile
from workers.sample import DEFAULT_SEED, write_catalogue, write_taxonomy

SAMPLE_PRODUCTS: Final = 20_000
# The fit takes time for each product, and a demo shows the stream, not the best accuracy.
_SAMPLE_TRAINING: Final = 12_000
_HELD_OUT_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Catalogue:
    """``training`` is for the fit, ``feed`` is published without labels, ``digest`` identifies the files."""

    taxonomy: Taxonomy
    training: list[LabelledProduct]
    feed: list[LabelledProduct]
    digest: str
    source: str


def sample(directory: Path) -> Catalogue:
    """Return the sample catalogue; it is written to ``directory`` the first time."""
    products = directory / f"sample-{DEFAULT_SEED}-{SAMPLE_PRODUCTS}.jsonl"
    tree = directory / "sample-taxonomy.csv"
    directory.mkdir(parents=True, exist_ok=True)
    if not products.exists():
        unfinished = products.with_suffix(".unfinished")
        write_catalogue(unfinished, DEFAULT_SEED, SAMPLE_PRODUCTS)
        unfinished.replace(products)
    write_taxonomy(tree)
    rows = list(ProductFile(products))
    # Split by position: variants of a product are next to each other, and must not be both in training and feed.
    training, feed = rows[:_SAMPLE_TRAINING], rows[_SAMPLE_TRAINING:]
    return Catalogue(read_taxonomy(tree), training, feed, _digest([products, tree]), "the sample catalogue")


def own(file: ProductFile, products: Path, taxonomy: Path | None) -> Catalogue:
    """Return the user's own catalogue; a fifth of it, chosen by a hash of the title, is the feed.

    Raises :class:`InvalidProducts` if either part is empty.
    """
    training: list[LabelledProduct] = []
    feed: list[LabelledProduct] = []
    for row in file:
        (feed if _held_out(row.product.title) else training).append(row)
    if not training or not feed:
        raise InvalidProducts(f"{products}: {file.rows:,} products are too few for a demo; give a few hundred")
    tree = read_taxonomy(taxonomy) if taxonomy else taxonomy_of_labels(training)
    files = [products, taxonomy] if taxonomy else [products]
    return Catalogue(tree, training, feed, _digest(files), str(products))


def _held_out(title: str) -> bool:
    # Products with equal titles go to the same part.
    key = " ".join(title.casefold().split()).encode()
    return hashlib.sha256(key).digest()[0] < 256 * _HELD_OUT_SHARE


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
