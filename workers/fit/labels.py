"""Labelled products, and the nodes of the tree that their labels name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidProducts
from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.fit.label_tree import SEPARATORS
from workers.product_files import LabelledProduct
from workers.text.tokens import identity

_SHOWN: Final = 5
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class LabelledProducts:
    """n products with ``labels`` int32 (n,), node indices; and how many rows had no label or an unknown one.

    ``unknown_labels`` are the unknown labels and the number of rows with each, the most frequent first.
    """

    products: list[Product]
    labels: NDArray[np.int32]
    unlabelled: int
    unknown: int
    unknown_labels: tuple[tuple[str, int], ...] = ()

    def take(self, rows: NDArray[np.intp]) -> LabelledProducts:
        """Return some of the products."""
        return LabelledProducts([self.products[row] for row in rows], self.labels[rows], 0, 0)


def label_products(
    rows: Sequence[LabelledProduct],
    taxonomy: Taxonomy,
    *,
    skip_unknown: bool = False,
) -> LabelledProducts:
    """Find each label in the tree.

    Raises :class:`InvalidProducts` if a label is not in the tree, unless such rows are to be skipped, and if a
    product's id and path mean different categories.
    """
    products, labels = [], []
    contradictory: list[_Contradiction] = []
    unlabelled = 0
    unknown: Counter[str] = Counter()
    for row in rows:
        if not row.is_labelled:
            unlabelled += 1
            continue
        node = find_label(row, taxonomy)
        if node is None:
            unknown[" > ".join(row.category_path or ()) or row.category_id or ""] += 1
            continue
        if row.category_id is not None and row.category_path:
            by_path = taxonomy.find_path(row.category_path)
            if by_path is not None and by_path != node:
                contradictory.append(_Contradiction(row, node, by_path))
        products.append(row.product)
        labels.append(node)
    if contradictory:
        raise _contradiction(contradictory, taxonomy)
    if unknown and not skip_unknown:
        shown = "; ".join(f"{label} ({count})" for label, count in unknown.most_common(_SHOWN))
        hint = _other_separator(unknown, taxonomy)
        raise InvalidProducts(
            f"{unknown.total()} products have one of {len(unknown)} categories that are not in taxonomy"
            f" {taxonomy.name} {taxonomy.version}: {shown}; {hint}correct them, or leave them out with"
            " --skip-unknown-categories"
        )
    return LabelledProducts(
        products, np.array(labels, np.int32), unlabelled, unknown.total(), tuple(unknown.most_common())
    )


def require_known(labelled: LabelledProducts, taxonomy: Taxonomy, remedy: str) -> None:
    """Raise :class:`InvalidProducts` where there are labels, and none is a category of the tree.

    A file without a single label does not raise.
    """
    if labelled.products or not labelled.unknown:
        return
    shown = "; ".join(label for label, _ in labelled.unknown_labels[:_SHOWN])
    hint = _other_separator((label for label, _ in labelled.unknown_labels), taxonomy)
    raise InvalidProducts(
        f"none of the {labelled.unknown:,} labels is a category of taxonomy {taxonomy.name} {taxonomy.version}:"
        f" {shown}; {hint}{remedy}"
    )


def _other_separator(labels: Iterable[str], taxonomy: Taxonomy) -> str:
    """Return the remedy where labels are paths of the tree but for the text between their names, or nothing."""
    for label in labels:
        for separator in SEPARATORS:
            if separator in label and taxonomy.find_path(label.split(separator)) is not None:
                return f"if {separator!r} separates the names of a path, use --path-separator {separator!r}; else "
    return ""


class _Contradiction(NamedTuple):
    """A product whose id means one node and whose path means another."""

    row: LabelledProduct
    by_id: int
    by_path: int


def _contradiction(found: Sequence[_Contradiction], taxonomy: Taxonomy) -> InvalidProducts:
    # A shop's own small numbers are also ids in Google's tree: every label would silently become a different one.
    examples = "; ".join(
        f"{row.product.product_id!r} with {row.category_id} ({taxonomy.path_text(by_id)}) and"
        f" {taxonomy.path_text(by_path)}"
        for row, by_id, by_path in found[:_EXAMPLES]
    )
    return InvalidProducts(
        f"{len(found):,} products have a category_id and a category_path that mean different categories, such as"
        f" {examples}; correct them, or ignore one of the columns (--column category_id= or"
        " --column category_path=)"
    )


def find_label(row: LabelledProduct, taxonomy: Taxonomy) -> int | None:
    """Return the node of a row's label, or ``None`` if it has none, or one that is not in the tree.

    An id takes precedence over a path, unless the tree lacks it: it may be the shop's own.
    """
    node = None if row.category_id is None else _find_id(row.category_id, taxonomy)
    return taxonomy.find_path(row.category_path) if node is None and row.category_path else node


def _find_id(category_id: str, taxonomy: Taxonomy) -> int | None:
    node = taxonomy.find_id(category_id)
    whole = category_id.removesuffix(".0")
    # pandas writes a column of whole numbers with gaps as floats.
    return taxonomy.find_id(whole) if node is None and whole.isdecimal() else node


def ids_with_several_labels(labelled: LabelledProducts) -> list[str]:
    """Return the product ids that occur with different labels, in order of appearance."""
    labels_of: defaultdict[str, set[int]] = defaultdict(set)
    for product, label in zip(labelled.products, labelled.labels.tolist(), strict=True):
        labels_of[product.product_id].add(label)
    return [product_id for product_id, labels in labels_of.items() if len(labels) > 1]


def acceptable_labels(labelled: LabelledProducts) -> tuple[frozenset[int], ...]:
    """Return, for each product, the labels of all products that share its title and brand.

    If a catalogue lists a product in several places, each of them is right.
    """
    labels_of: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    keys = [_identity(product) for product in labelled.products]
    for key, label in zip(keys, labelled.labels.tolist(), strict=True):
        labels_of[key].add(label)
    return tuple(frozenset(labels_of[key]) for key in keys)


def _identity(product: Product) -> tuple[str, str]:
    return identity(product.title), identity(product.brand or "")
