"""Training data for the next model: labelled products, corrected and extended by people's verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from schemas.events.product import Product, is_blank
from schemas.events.review import ReviewDecided
from schemas.taxonomy.tree import Taxonomy
from workers.fit.labels import find_label
from workers.product_files import LabelledProduct
from workers.text.tokens import identity


@dataclass(slots=True)
class TrainingDataReport:
    """What happened to the rows of labelled products, and to the verdicts.

    Rows: ``kept`` have no verdict, ``withdrawn`` are products that belong nowhere in the tree, ``repeated`` name a
    product with a verdict again. Verdicts: ``confirmed`` agree with the existing label, ``corrected`` change it,
    ``added`` label a product that had none, ``nowhere`` name no category; ``without_product`` are about products
    of which nothing is known, not even a title.
    """

    kept: int = 0
    withdrawn: int = 0
    repeated: int = 0
    confirmed: int = 0
    corrected: int = 0
    added: int = 0
    nowhere: int = 0
    without_product: int = 0

    @property
    def written(self) -> int:
        """The number of products in the training data."""
        return self.kept + self.confirmed + self.corrected + self.added

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"written": self.written, **asdict(self)}


def training_rows(
    labelled: Iterable[LabelledProduct],
    verdicts: Mapping[str, ReviewDecided],
    products: Mapping[str, Product],
    taxonomy: Taxonomy,
    report: TrainingDataReport,
) -> Iterator[bytes]:
    """Yield training data as lines that :class:`workers.product_files.ProductFile` reads; count in ``report``.

    ``verdicts`` maps product ids to the last verdict on each. ``products`` are the products as last published,
    which replace those in the file, except where the verdict is about another title: that of the label must be the
    title that was judged. Products without a verdict come first, unchanged.
    """
    before: defaultdict[str, list[LabelledProduct]] = defaultdict(list)
    for row in labelled:
        product_id = row.product.product_id
        if product_id not in verdicts:
            report.kept += 1
            yield _line(row.product, row.category_path, row.category_id)
        elif verdicts[product_id].category_id is None:
            report.withdrawn += 1
        else:
            report.repeated += product_id in before
            before[product_id].append(row)
    for product_id, verdict in sorted(verdicts.items()):
        rows = before.get(product_id, [])
        if verdict.category_id is None:
            report.nowhere += 1
        elif product := _judged(verdict, products.get(product_id), *(row.product for row in reversed(rows))):
            node = taxonomy.index_of_id(verdict.category_id)
            _count(report, rows[-1] if rows else None, node, taxonomy)
            yield _line(product, taxonomy.paths[node], None)
        else:
            report.without_product += 1


def _judged(verdict: ReviewDecided, *known: Product | None) -> Product | None:
    """Return the first known product with the title that was judged, or else what the verdict says about it."""
    products = [product for product in known if product is not None]
    if verdict.title is None or is_blank(verdict.title):
        return products[0] if products else None
    title = identity(verdict.title)
    of_verdict = Product(
        product_id=verdict.product_id,
        title=verdict.title,
        brand=verdict.brand,
        stores=verdict.stores,
        tags=verdict.tags,
    )
    return next((product for product in products if identity(product.title) == title), of_verdict)


def _count(report: TrainingDataReport, before: LabelledProduct | None, node: int, taxonomy: Taxonomy) -> None:
    if before is None or not before.is_labelled:
        report.added += 1
    elif find_label(before, taxonomy) == node:
        report.confirmed += 1
    else:
        report.corrected += 1


def _line(product: Product, path: tuple[str, ...] | None, category_id: str | None) -> bytes:
    row: dict[str, Any] = msgspec.to_builtins(product)
    if isinstance(product.tags, str) and product.tags.startswith("["):
        # In a file, text that is a JSON list is read as a list; in an event it never is.
        row["tags"] = product.tag_list()
    row |= {name: value for name, value in (("category_path", path), ("category_id", category_id)) if value}
    return msgspec.json.encode(row) + b"\n"
