"""Training data of the next model: labelled products, corrected and added to by people's verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.fit.labels import find_label
from workers.product_files import LabelledProduct


@dataclass(slots=True)
class TrainingDataReport:
    """What became of the labelled products there were, and of the verdicts.

    ``kept`` products have no verdict, ``confirmed`` ones one for the label they had, ``corrected`` ones another
    label now, ``withdrawn`` ones none, as they belong nowhere in the tree; ``added`` ones had no label.
    ``without_product`` are verdicts on products of which nothing else is known, ``unknown`` those for categories
    that are not in the tree, counted by category: these change nothing.
    """

    kept: int = 0
    confirmed: int = 0
    corrected: int = 0
    withdrawn: int = 0
    added: int = 0
    without_product: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def written(self) -> int:
        """How many products the training data has."""
        return self.kept + self.confirmed + self.corrected + self.added

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {
            "kept": self.kept,
            "confirmed": self.confirmed,
            "corrected": self.corrected,
            "withdrawn": self.withdrawn,
            "added": self.added,
            "without_product": self.without_product,
            "unknown_category": self.unknown.total(),
        }


def training_rows(
    labelled: Iterable[LabelledProduct],
    verdicts: Mapping[str, str | None],
    products: Mapping[str, Product],
    taxonomy: Taxonomy,
    report: TrainingDataReport,
) -> Iterator[bytes]:
    """Yield training data, counted in ``report``, as lines that :class:`workers.product_files.ProductFile` reads.

    ``verdicts`` maps product ids to ids of categories, ``None`` for products that belong nowhere; ``products`` are
    as they were last published, in place of those in the file. Products without a verdict come first, as they are.
    """
    known: dict[str, str | None] = {}
    for product_id, category in verdicts.items():
        if category is None or taxonomy.find_id(category) is not None:
            known[product_id] = category
        else:
            report.unknown[category] += 1
    before: dict[str, LabelledProduct] = {}
    for row in labelled:
        if row.product.product_id in known:
            before[row.product.product_id] = row
        else:
            report.kept += 1
            yield _line(row.product, row.category_path, row.category_id)
    for product_id, category in sorted(known.items()):
        if category is None:
            report.withdrawn += product_id in before
        elif product := products.get(product_id) or _product(before.get(product_id)):
            node = taxonomy.index_of_id(category)
            _count(report, before.get(product_id), node, taxonomy)
            yield _line(product, taxonomy.paths[node], None)
        else:
            report.without_product += 1


def _product(row: LabelledProduct | None) -> Product | None:
    return None if row is None else row.product


def _count(report: TrainingDataReport, before: LabelledProduct | None, node: int, taxonomy: Taxonomy) -> None:
    if before is None or (before.category_id is None and not before.category_path):
        report.added += 1
    elif find_label(before, taxonomy) == node:
        report.confirmed += 1
    else:
        report.corrected += 1


def _line(product: Product, path: tuple[str, ...] | None, category_id: str | None) -> bytes:
    row: dict[str, Any] = msgspec.to_builtins(product)
    row |= {name: value for name, value in (("category_path", path), ("category_id", category_id)) if value}
    return msgspec.json.encode(row) + b"\n"
