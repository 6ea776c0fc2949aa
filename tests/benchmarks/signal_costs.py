"""The cost of each signal: CPU time of recall with all signals, minus that with all others, in turn.

Prints the table of docs/quality.md, "What each signal costs". Work that several signals share (n-grams,
neighbours, the union) is needed as long as one of them is used, so the costs do not add up to the cost of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from schemas.events.product import Product
from tests.benchmarks.catalogue_options import DATA, DATASET, DIRECTORY
from tests.benchmarks.quality.datasets import DATASETS, read_catalogue
from workers.bundle.bundle import load_bundle
from workers.recall.encode import encode_products
from workers.recall.recall import Recall
from workers.signals.base import Signal
from workers.signals.linear_models import LinearModels
from workers.signals.linear_signal import LinearSignal
from workers.signals.registry import title_of
from workers.statistics import NoStatistics

_BATCHES: Final = (64, 1)
# Use fewer products one by one: each costs at least as much as eight in a batch.
_SINGLE_SHARE: Final = 8
_ALL: Final = "all"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--bundle", type=DIRECTORY, required=True, help="Of `shelfwise fit`, without a cascade.")
@DATA
@DATASET
@click.option("--products", type=click.IntRange(64), default=2_048, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
def main(bundle: Path, data: Path, dataset: str, products: int, rounds: int) -> None:
    """Time recall without each signal, and print a Markdown table: medians, and in brackets least and most.

    Example: python -m tests.benchmarks.signal_costs --bundle var/bundle
    """
    recall = load_bundle(bundle).recall
    if recall.cascade is not None:
        raise click.UsageError(f"{bundle} has a cascade; fit one without --cascade")
    asked = read_catalogue(DATASETS[dataset], data).products.products[:products]
    recalls = {_ALL: recall} | {signal.name: _without(recall, signal) for signal in recall.signals}
    with threadpool_limits(1):
        _round(recalls, asked, _BATCHES[0], 0)  # fills the caches of words and vectors
        columns = []
        for batch in _BATCHES:
            some = asked if batch > 1 else asked[: len(asked) // _SINGLE_SHARE]
            columns.append(np.array([_round(recalls, some, batch, turn) for turn in range(rounds)]))
    click.echo("\n".join(_table(list(recalls), columns)))


def _without(recall: Recall, signal: Signal) -> Recall:
    others = [other for other in recall.signals if other is not signal]
    if not isinstance(signal, LinearSignal):
        return Recall(recall.encoder, others, recall.reference)
    # Linear models are weighted together, so they must be rebuilt for the remaining ones.
    reference = replace(recall.reference, linear_models=LinearModels())
    anew = [
        type(other).restore(other.state(), reference) if isinstance(other, LinearSignal) else other
        for other in others
    ]
    return Recall(recall.encoder, anew, reference)


def _round(recalls: dict[str, Recall], products: Sequence[Product], batch: int, turn: int) -> NDArray[np.float64]:
    """Return the microseconds per product of each recall, float64 (recalls,); they take turns with each batch."""
    spent = np.zeros(len(recalls))
    encoder = next(iter(recalls.values())).encoder
    turns = list(enumerate(recalls.values()))
    for first in range(0, len(products), batch):
        encoded = encode_products(encoder, products[first : first + batch], NoStatistics())
        begin = (first // batch + turn) % len(turns)
        for place, recall in turns[begin:] + turns[:begin]:
            fresh = encoded.take(np.arange(len(encoded)))
            began = process_time()
            recall.of(fresh)
            spent[place] += process_time() - began
    return 1e6 * spent / len(products)


def _table(names: Sequence[str], columns: Sequence[NDArray[np.float64]]) -> Iterator[str]:
    yield "| signal | µs per product in batches of 64 | µs of one product alone |"
    yield "| --- | ---: | ---: |"
    for place, name in enumerate(names):
        costs = [column[:, 0] - (column[:, place] if place else 0) for column in columns]
        yield f"| {title_of(name)} | {' | '.join(map(_spread, costs))} |"


def _spread(values: NDArray[np.float64]) -> str:
    return f"{np.median(values):,.0f} [{values.min():,.0f}, {values.max():,.0f}]"


if __name__ == "__main__":
    main()
