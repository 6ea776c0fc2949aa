"""How well the cheap explanation of a decision agrees with the exact one, and what each costs.

Prints the table of docs/quality.md, "Explanations": TreeSHAP against the path attribution, both summed by signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.bundle.bundle import Bundle, load_bundle
from workers.bundle.release import EVALUATION
from workers.fit.labels import place
from workers.product_files import ProductFile
from workers.ranking.likeliest import TopCandidates
from workers.ranking.ranking import ScoredCandidates
from workers.statistics import NoStatistics

_AT_ONCE: Final = 512
_PATH = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--bundle", type=_PATH, required=True)
@click.option("--products", type=_PATH, required=True, help="Labelled products that the bundle was not fitted on.")
@click.option("--most", type=click.IntRange(1), default=2_000, show_default=True, help="So many products at most.")
def main(bundle: Path, products: Path, most: int) -> None:
    """Compare both explanations of the likeliest category of each product.

    Example: python -m tests.benchmarks.explanations --bundle var/bundle --products held-out.jsonl
    """
    model = load_bundle(bundle, EVALUATION)
    rows = place(list(ProductFile(products)), model.taxonomy, skip_unknown=True).products[:most]
    pairs = [_compare(model, rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)]
    exact, cheap = (np.concatenate([pair[kind] for pair in pairs]) for kind in (0, 1))
    seconds = np.sum([pair[2] for pair in pairs], axis=0)
    leader, nearly = _order(exact)[:, :1], _order(cheap)[:, :2]
    found = {
        "products": len(exact),
        "same leading signal": np.mean(leader == nearly[:, :1]),
        "the exact leader among the cheap two": np.mean((leader == nearly).any(axis=1)),
        "mean correlation by signal": _correlation(exact, cheap),
        "exact, microseconds a product": seconds[0] / len(exact) * 1e6,
        "cheap, microseconds a product": seconds[1] / len(exact) * 1e6,
    }
    for name, value in found.items():
        click.echo(f"{name:40} {value:,.3f}")


def _compare(
    model: Bundle, products: Sequence[Product]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    """Return the contributions by source, exact and cheap, float64 (n, sources), and the CPU seconds of each."""
    scored = model.ranking.score(model.recall.candidates(products, NoStatistics()))
    best = TopCandidates.of(scored.candidates, scored.probability).row
    best = best[best >= 0]
    found, spent = [], []
    for exact in (True, False):
        started = process_time()
        shares = model.ranking.ranker.contributions(scored.features, best, exact=exact)
        spent.append(process_time() - started)
        found.append(_by_source(scored, shares[:, :-1]))
    return found[0], found[1], (spent[0], spent[1])


def _by_source(scored: ScoredCandidates, shares: NDArray[np.float32]) -> NDArray[np.float64]:
    sources = sorted(set(scored.features.sources))
    columns = [[source == name for source in scored.features.sources] for name in sources]
    return np.stack([shares[:, np.array(column)].sum(axis=1, dtype=np.float64) for column in columns], axis=1)


def _order(contributions: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.argsort(-np.abs(contributions), axis=1, kind="stable")


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(first, second, strict=True)]))


if __name__ == "__main__":
    main()
