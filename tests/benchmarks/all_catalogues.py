"""One model for all catalogues together: the cost and quality of a fit with thousands of labelled categories.

Each catalogue is a top-level category of one tree. The model is fitted on nine tenths of the products and decides
the rest; the figures are printed as JSON. Products with equal titles are on the same side of the split.
"""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
import orjson
from threadpoolctl import threadpool_limits

from schemas.events.codec import encode
from streams.cli.output import steps_progress
from tests.benchmarks.catalogue_options import DATA
from tests.benchmarks.throughput.model_alone import BATCH, cost
from workers.bundle.bundle import load_bundle
from workers.evaluation.evaluate import Source, evaluate
from workers.evaluation.metrics import HEADLINES
from workers.fit.fit import FitOptions, fit
from workers.fit.folds import assign_folds
from workers.fit.label_tree import taxonomy_of_labels
from workers.fit.labels import label_products
from workers.product_files import LabelledProduct, ProductFile

_ONE_IN: Final = 10
_SEED: Final = 0
_COSTED: Final = 4_096


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@DATA
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="var/all-catalogues/bundle")
def main(data: Path, out: Path) -> None:
    """Fit a bundle, evaluate it, and print what both took.

    Example: python -m tests.benchmarks.all_catalogues --data ../shared/data
    """
    rows = [row for file in sorted(data.glob("*.jsonl.gz")) for row in _side_by_side(file)]
    tree = taxonomy_of_labels(rows)
    labelled = label_products(rows, tree)
    held_out = assign_folds(labelled.products, _ONE_IN, _SEED) == 0
    training, test = labelled.take((~held_out).nonzero()[0]), labelled.take(held_out.nonzero()[0])
    with steps_progress() as progress:
        report = fit(training, tree, out, FitOptions(seed=_SEED), progress)
        bundle = load_bundle(out)
        figures = evaluate(bundle, test, Source(str(data)), progress=progress)
    took = {
        "products": len(training.products),
        "categories": report.metrics["categories_with_products"],
        "nodes": len(tree),
        "seconds": report.metrics["seconds"],
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "memory_mb_of_a_child": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }
    events = [(product.product_id.encode(), encode(product)) for product in test.products]
    with threadpool_limits(1):
        # Fill the word caches first, as in a worker that has been running for long.
        cost(bundle, events[_COSTED:], BATCH)
        microseconds = cost(bundle, events[:_COSTED], BATCH)
    found: dict[str, Any] = {
        "fit": took,
        "held_out": {key: figures[key] for key in HEADLINES},
        "microseconds": {stage: round(each) for stage, each in microseconds.items()},
    }
    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))


def _side_by_side(file: Path) -> list[LabelledProduct]:
    name = file.name.removesuffix(".jsonl.gz")
    return [
        replace(row, category_path=(name, *row.category_path), category_id=None)
        for row in ProductFile(file)
        if row.category_path
    ]


if __name__ == "__main__":
    main()
