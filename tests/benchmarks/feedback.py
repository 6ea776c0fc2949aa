"""The feedback loop: what happens if the system learns from its own decisions, including wrong ones.

Prints the table of docs/guarantees.md. Held-out products are decided again and again, like a feed that is read
again every day; after each round the assignments are learned as the stream learns them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from schemas.events.decision import CategoryAssigned, Decision
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from streams.settings import Settings
from tests.learned_statistics import Learned, recount
from workers.bundle.bundle import Bundle, load_bundle
from workers.bundle.release import EVALUATION
from workers.classify import classify
from workers.fit.labels import LabelledProducts, label_products
from workers.learning import ProductState, Source, apply, said_by_decision
from workers.product_files import ProductFile

_PATH = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--bundle", type=_PATH, required=True)
@click.option("--products", type=_PATH, required=True, help="Labelled products that the bundle was not fitted on.")
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True)
@click.option(
    "--copies", type=click.IntRange(1), default=1, show_default=True, help="Of each product, in the feed."
)
@click.option("--minimum-confidence", type=click.FloatRange(0, 1), help="From which on an assignment counts.")
def main(bundle: Path, products: Path, rounds: int, copies: int, minimum_confidence: float | None) -> None:
    """Decide, learn, decide again.

    Example: python -m tests.benchmarks.feedback --bundle var/bundle --products held-out.jsonl --rounds 10
    """
    model = load_bundle(bundle, EVALUATION)
    labelled = label_products(list(ProductFile(products)), model.taxonomy, skip_unknown=True)
    least = Settings().learning_min_confidence if minimum_confidence is None else minimum_confidence
    states: dict[str, ProductState] = {}
    first: NDArray[np.int64] | None = None
    for number in range(rounds + 1):
        decided = _decide(model, labelled, Learned(recount(states)), number)
        if first is None:
            first = _likeliest(model, decided)
        click.echo(json.dumps({"round": number, **_figures(model, labelled, decided, first)}))
        states = _learn(decided, least, copies)


def _decide(model: Bundle, labelled: LabelledProducts, learned: Learned, number: int) -> Sequence[Decision]:
    size = len(labelled.products)
    placed: list[tuple[Product, SourcePosition]] = [
        (product, SourcePosition("feed", 0, number * size + row)) for row, product in enumerate(labelled.products)
    ]
    return list(classify(model, placed, learned))


def _learn(decided: Sequence[Decision], minimum_confidence: float, copies: int) -> dict[str, ProductState]:
    states: dict[str, ProductState] = {}
    for decision in decided:
        source: Source = "assigned" if isinstance(decision, CategoryAssigned) else "needs_review"
        said = said_by_decision(decision, decision.source.offset, minimum_confidence)
        state, _ = apply(ProductState(), source, said, decision.source)
        states |= {f"{decision.product_id} {copy}": state for copy in range(copies)}
    return states


def _figures(
    model: Bundle, labelled: LabelledProducts, decided: Sequence[Decision], first: NDArray[np.int64]
) -> dict[str, Any]:
    likeliest = _likeliest(model, decided)
    right = likeliest == labelled.labels
    assigned = np.array([isinstance(item, CategoryAssigned) and not item.backed_off for item in decided])
    return {
        "exact": round(float(right.mean()), 4),
        "assigned": round(float(assigned.mean()), 4),
        "precision": round(float(right[assigned].mean()), 4) if assigned.any() else None,
        "moved since round 0": int((likeliest != first).sum()),
        "of these to right": int(((likeliest != first) & right).sum()),
        "of these from right": int(((likeliest != first) & (first == labelled.labels)).sum()),
    }


def _likeliest(model: Bundle, decided: Sequence[Decision]) -> NDArray[np.int64]:
    """Return the node of each decision's first alternative, or -1 if there is none: int64 (n,)."""
    ids = [item.alternatives[0].category.id if item.alternatives else "" for item in decided]
    nodes = [model.taxonomy.find_id(name) for name in ids]
    return np.array([-1 if node is None else node for node in nodes], np.int64)


if __name__ == "__main__":
    main()
