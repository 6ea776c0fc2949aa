"""Gains and costs of a cascade, compared with no sentence encoder and with one that reads every product.

Prints the rows of docs/encoders.md, "Cascade".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click
import numpy as np
import orjson
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from tests.benchmarks.catalogue_options import DATA, DIRECTORY
from tests.benchmarks.quality.datasets import DATASETS, read_catalogue
from tests.benchmarks.quality.figures import compare, estimate
from tests.benchmarks.quality.ours import Decided, run_ours
from tests.benchmarks.quality.splits import Problem, make_problem
from workers.bundle.bundle import load_bundle
from workers.encoders.load import load_encoder
from workers.fit.fit import CascadeOptions, FitOptions
from workers.progress import silent
from workers.recall.cascade import PREFIX
from workers.statistics import NoStatistics

_CHEAP: Final = "static"
_FIGURES: Final = ("exact", "coverage", "oracle_coverage")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--encoder", type=DIRECTORY, required=True, help="Of `shelfwise encoder`.")
@click.option(
    "--dataset", type=click.Choice(list(DATASETS)), multiple=True, default=("flipkart",), show_default=True
)
@click.option("--split", default="random", show_default=True, help="random, shops, shops-N, brands or labels-N.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--share", type=click.FloatRange(0, 1), multiple=True, default=(0.3,), show_default=True)
@click.option("--in-place/--no-in-place", default=True, help="Also with the encoder in place of the static one.")
@DATA
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="var/cascade", show_default=True)
def main(  # noqa: PLR0917 - an option is a parameter
    encoder: Path,
    dataset: tuple[str, ...],
    split: str,
    seed: int,
    share: tuple[float, ...],
    in_place: bool,
    data: Path,
    out: Path,
) -> None:
    """Fit with the static encoder, as a cascade, and with the sentence encoder in place; compare on the test side.

    \b
      python -m tests.benchmarks.cascade --encoder var/encoders/minilm --dataset flipkart --share 0.3 --share 1
    """
    sentences = load_encoder(encoder)
    kinds = {_CHEAP: FitOptions(seed=seed)}
    kinds |= {
        f"asked about {part:.0%}": FitOptions(cascade=CascadeOptions(sentences, part), seed=seed) for part in share
    }
    if in_place:
        kinds[sentences.name] = FitOptions(encoder=sentences, seed=seed)
    columns = ("catalogue", "encoder", "asked, %", *_FIGURES, "aurc", "minus static: exact", "aurc", "µs each")
    table = Table(*columns)
    with threadpool_limits(1):
        for name in dataset:
            problem = make_problem(read_catalogue(DATASETS[name], data), split, seed)
            for row in _measure(problem, kinds, out / name / f"{split}-{seed}"):
                click.echo(orjson.dumps({"dataset": name} | row))
                shown = ("kind", "asked", *_FIGURES, "aurc", "gain", "aurc_relative", "microseconds")
                table.add_row(name, *(str(row[column]) for column in shown))
    Console(width=140).print(table)


def _measure(problem: Problem, kinds: Mapping[str, FitOptions], out: Path) -> Iterator[dict[str, object]]:
    """Yield the figures of each kind; all kinds are compared with the first one."""
    first: Decided | None = None
    for kind, options in kinds.items():
        bundle = out / kind.replace(" ", "-")
        decided = run_ours(problem, options, bundle, silent)
        first = first or decided
        yield {"kind": kind} | _row(decided, first) | {"asked": round(100 * _asked(bundle, problem), 1)}


def _row(decided: Decided, first: Decided) -> dict[str, object]:
    found = estimate([decided.products])
    gain = compare([decided.products], [first.products])
    points = {name: round(100 * found[name].value, 1) for name in _FIGURES}
    exact = gain["exact"]
    return {
        **points,
        "aurc": round(found["aurc"].value, 4),
        "gain": f"{100 * exact.value:+.1f} [{100 * exact.low:+.1f}, {100 * exact.high:+.1f}]",
        "aurc_relative": f"{100 * gain['aurc_relative'].value:+.0f} %",
        "microseconds": round(decided.microseconds),
        "fit_seconds": round(decided.fit_seconds),
    }


def _asked(bundle: Path, problem: Problem) -> float:
    """Return the share of the test side that the sentence encoder reads."""
    recall = load_bundle(bundle).recall
    if recall.cascade is None:
        return float(not recall.encoder.is_cheap)
    candidates = recall.candidates(problem.test.products, NoStatistics())
    columns = [name.startswith(PREFIX) for name in candidates.signals]
    asked = candidates.product_of_row[candidates.proposed[:, columns].any(axis=1)]
    return len(np.unique(asked)) / len(problem.test.products)


if __name__ == "__main__":
    main()
