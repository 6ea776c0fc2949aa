"""How much people's verdicts help the products that follow, such as those of new stores.

Prints the rows of docs/model-choices.md, "Tags learn from verdicts".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
import numpy as np
from threadpoolctl import threadpool_limits

from schemas.events.decision import Decision
from schemas.events.position import SourcePosition
from schemas.events.review import ReviewDecided
from schemas.events.statistics import StatisticKind
from tests.benchmarks.catalogue_options import DATA, DATASET
from tests.benchmarks.quality.datasets import DATASETS, read_catalogue
from tests.benchmarks.quality.splits import make_problem
from tests.learned_statistics import Learned, recount
from workers.bundle.bundle import Bundle, load_bundle
from workers.classify import decide
from workers.fit.fit import FitOptions, fit
from workers.fit.labels import LabelledProducts
from workers.learning import ProductState, apply, said_by_verdict

_LOT: Final = 32
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MOVED: Final[dict[str, tuple[StatisticKind, ...]]] = {
    "nothing": (),
    "brands and stores": ("brand", "store"),
    "tags too": ("brand", "store", "tag"),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@DATASET
@click.option("--split", default="shops", show_default=True, help="random, shops, shops-N, brands or labels-N.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@DATA
def main(dataset: str, split: str, seed: int, data: Path) -> None:
    """Fit, then decide the test side in lots of 32, with a person's verdict on each before the next lot.

    Example: python -m tests.benchmarks.verdicts --dataset shopify_merchants --split shops --seed 0
    """
    problem = make_problem(read_catalogue(DATASETS[dataset], data), split, seed)
    with TemporaryDirectory() as directory, threadpool_limits(1):
        fit(problem.training, problem.taxonomy, Path(directory) / "bundle", FitOptions(seed=seed))
        model = load_bundle(Path(directory) / "bundle")
        order = np.random.default_rng(seed).permutation(len(problem.test.labels)).tolist()
        for name, kinds in _MOVED.items():
            figures = _follow(model, problem.test, order, kinds)
            click.echo(json.dumps({"split": f"{dataset}/{split}-{seed}", "verdicts move": name} | figures))


def _follow(
    model: Bundle, labelled: LabelledProducts, order: Sequence[int], kinds: tuple[StatisticKind, ...]
) -> dict[str, Any]:
    states: dict[str, ProductState] = {}
    first, offered = [], []
    for start in range(0, len(order), _LOT):
        lot = order[start : start + _LOT]
        learned = Learned({key: weights for key, weights in recount(states).items() if key[0] in kinds})
        placed = [(labelled.products[row], SourcePosition("feed", 0, row)) for row in lot]
        for row, decision in zip(lot, decide(model, placed, learned), strict=True):
            label = model.taxonomy.ids[labelled.labels[row]]
            named = [alternative.category.id for alternative in decision.alternatives]
            first.append(named[:1] == [label])
            offered.append(label in named)
            states[decision.product_id] = _judged(decision, label)
    half = len(order) // 2
    return {
        "exact": round(float(np.mean(first)), 4),
        "exact of the second half": round(float(np.mean(first[half:])), 4),
        "among the alternatives": round(float(np.mean(offered)), 4),
    }


def _judged(decision: Decision, label: str) -> ProductState:
    verdict = ReviewDecided(
        review_id=decision.decision_id,
        product_id=decision.product_id,
        category_id=label,
        reviewer="a person",
        decided_at=_NOW,
        brand=decision.brand,
        stores=decision.stores,
        tags=decision.tags,
    )
    state, _ = apply(ProductState(), "verdict", said_by_verdict(verdict, 0), SourcePosition("reviews", 0, 0))
    return state


if __name__ == "__main__":
    main()
