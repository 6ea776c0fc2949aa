"""The labelled catalogues, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy import Taxonomy, read_taxonomy
from workers.fit.label_tree import taxonomy_of_labels
from workers.fit.labels import LabelledProducts, label_products
from workers.product_files import ProductFile

SHOPIFY_TREE: Final = "taxonomy_shopify_2026-08-unstable.en.txt"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A catalogue.

    Attributes:
        name: the name under which results are stored.
        file: its file in the data directory.
        tree: the taxonomy file for its products; ``None`` means the paths of its labels.
        full: whether every seed, split and learning curve is run; otherwise only seed 0 of the random split.
        splits: its splits besides ``random``.
    """

    name: str
    file: str
    tree: str | None = None
    full: bool = False
    splits: tuple[str, ...] = ()


_FULL: Final = (
    Dataset(
        "shopify_merchants",
        "shopify_merchants.jsonl.gz",
        full=True,
        splits=("shops", "shops-0", "shops-15", "shops-30"),
    ),
    Dataset("mwpd_gpc", "mwpd_gpc.jsonl.gz", full=True, splits=("shops",)),
    Dataset("flipkart", "flipkart.jsonl.gz", full=True),
    Dataset("bigbasket", "bigbasket.jsonl.gz", full=True, splits=("brands",)),
    Dataset("shopify_all_nodes", "shopify_merchants.jsonl.gz", tree=SHOPIFY_TREE, splits=("shops",)),
)
_OTHERS: Final = (
    "instacart",
    "grocerydb",
    "pricerunner",
    "openfoodfacts",
    "amazon_uk_toys",
    "amazon_in",
    "myntra_fashion",
)
DATASETS: Final = {
    dataset.name: dataset for dataset in (*_FULL, *(Dataset(name, f"{name}.jsonl.gz") for name in _OTHERS))
}
"""Every catalogue of over 5,000 products, and shopify_merchants again in Shopify's complete tree."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Labelled products in their tree; ``observed``, int32 (o,), are the nodes that a product may be in.

    If the tree is made of the labels' paths, these are the paths that label a product; in a given tree, all nodes.
    """

    dataset: Dataset
    taxonomy: Taxonomy
    products: LabelledProducts
    observed: NDArray[np.int32]


def read_catalogue(dataset: Dataset, data: Path) -> Catalogue:
    """Read a catalogue; products whose label is not in the given tree are left out."""
    rows = list(ProductFile(data / dataset.file))
    taxonomy = read_taxonomy(data / dataset.tree) if dataset.tree else taxonomy_of_labels(rows)
    products = label_products(rows, taxonomy, skip_unknown=dataset.tree is not None)
    nodes = np.arange(len(taxonomy)) if dataset.tree else np.unique(products.labels)
    return Catalogue(dataset, taxonomy, products, nodes.astype(np.int32))
