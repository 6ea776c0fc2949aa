"""The command line of the quality benchmark: produce missing results, then write the tables."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.catalogue_options import DIRECTORY
from tests.benchmarks.quality.datasets import DATASETS
from tests.benchmarks.quality.plan import Choice, method_names, plan
from tests.benchmarks.quality.run import Places, is_stored, run_in_process
from tests.benchmarks.quality.store import Run
from tests.benchmarks.quality.tables import write_tables


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--data", type=DIRECTORY, envvar="SHELFWISE_DATA", default="../shared/data", help="The catalogues.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default="var/quality", help="For results."
)
@click.option("--dataset", type=click.Choice(list(DATASETS)), multiple=True, help="Repeatable; without it, all.")
@click.option("--split", multiple=True, help="random, shops, shops-N, brands, labels-N; repeatable; or all.")
@click.option("--seed", type=click.IntRange(0), multiple=True, help="Repeatable; without it, those of --seeds.")
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Seeds 0 to N - 1.")
@click.option("--method", type=click.Choice(method_names()), multiple=True, help="Repeatable; without it, all.")
@click.option("--only", help="Patterns of DATASET/SPLIT-SEED/METHOD, parted by spaces, such as '*/svm'.")
@click.option("--encoder", type=DIRECTORY, envvar="SHELFWISE_TEST_MINILM", help="The baselines' sentence encoder.")
@click.option("--our-encoder", type=DIRECTORY, help="Our model's sentence encoder; without it, the static one.")
@click.option("--again", is_flag=True, help="Run what is stored, too.")
@click.option("--list", "show", is_flag=True, help="Print what would be run, and end.")
@click.option("--tables", is_flag=True, help="Write what is stored into docs/quality.md and docs/img, at the end.")
def main(  # noqa: PLR0917 - an option is a parameter
    data: Path,
    out: Path,
    dataset: tuple[str, ...],
    split: tuple[str, ...],
    seed: tuple[int, ...],
    seeds: int,
    method: tuple[str, ...],
    only: str | None,
    encoder: Path | None,
    our_encoder: Path | None,
    again: bool,
    show: bool,
    tables: bool,
) -> None:
    """Measure our model and the baselines on real catalogues; with --tables, write those of docs/quality.md.

    What is stored under --out and still holds is not run again. Examples:

    \b
      python -m tests.benchmarks.quality --dataset shopify_merchants --split random --seed 0 --method svm
      python -m tests.benchmarks.quality --only 'flipkart/* bigbasket/random-*' --tables
      python -m tests.benchmarks.quality --only 'mwpd_gpc/random-0/ours_without_*'
    """
    choice = Choice(dataset, split, seed or range(seeds), method, (only or "").split(), encoder is not None)
    places = Places(data, out, encoder, our_encoder)
    planned = plan(choice)
    if not planned:
        raise click.UsageError("nothing is of that name: see --list without --only, or --method for all methods")
    runs = [run for run in planned if again or not is_stored(run, places)]
    if show:
        for run in runs:
            click.echo(f"{run.dataset}/{run.split}-{run.seed}/{run.method}")
        return
    failed = _run_all(runs, places)
    if tables:
        write_tables(out, Path("docs"))
    if failed:
        raise SystemExit(1)


def _run_all(runs: list[Run], places: Places) -> int:
    """Run one after another, continue if one fails, and return how many failed."""
    # Libraries read these when a run's process starts: one thread each, as in the stream.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    failed = 0
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("", total=len(runs))
        for run in runs:
            name = f"{run.dataset}/{run.split}-{run.seed}/{run.method}"
            bars.update(task, description=name)
            try:
                figures = run_in_process(run, places)
            except Exception as error:  # report a run that fails, and continue with the others
                failed += 1
                console.print(f"{name}: {type(error).__name__}: {error}", markup=False)
            else:
                console.print(_line(name, figures), markup=False)
            bars.advance(task)
    return failed


def _line(name: str, figures: dict[str, object]) -> str:
    shown = ("exact", "coverage", "precision", "oracle_coverage", "aurc")
    values = " ".join(f"{key} {figures[key]['value']:.3f}" for key in shown)  # type: ignore[index]
    return f"{name}: {values}; fit {figures['fit_seconds']} s, {figures['microseconds']} µs per product"


if __name__ == "__main__":
    main()
