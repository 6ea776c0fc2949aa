"""The command line of the growth benchmark: ``python -m tests.benchmarks.growth``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson
from threadpoolctl import threadpool_limits

from tests.benchmarks.growth.plots import draw
from tests.benchmarks.growth.series import SERIES, Options

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--only", multiple=True, type=click.Choice(list(SERIES)), help="Repeatable; without it, all.")
@click.option("--most-vectors", default=Options().most_vectors, show_default=True, type=click.IntRange(1_000))
@click.option("--most-nodes", default=Options().most_nodes, show_default=True, type=click.IntRange(1_000))
@click.option("--most-brands", default=Options().most_brands, show_default=True, type=click.IntRange(1_000))
@click.option("--most-partitions", default=Options().most_partitions, show_default=True, type=click.IntRange(4))
@click.option(
    "--events",
    default=Options().events,
    show_default=True,
    type=click.IntRange(1_000),
    help="Of each run of a worker: by partitions, twice each.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SHELFWISE_DATA",
    default=Options().data,
    help="Real catalogues, mixed in where they are there.",
)
@click.option("--seed", default=Options().seed, show_default=True)
@click.option("--out", type=_FILE, help="Write the figures as JSON; series not measured stay as they are in it.")
@click.option("--plot", type=_FILE, help="Draw them into an SVG file, those that stay too.")
def main(only: tuple[str, ...], out: Path | None, plot: Path | None, **options: Any) -> None:
    """Measure what a product costs by what grows: labelled neighbours, nodes of the tree, bytes of an event,
    brands that the stream has learned of, partitions of the topics.

    Brands and partitions start a local Kafka. Figures go to the output as they are found, one line of JSON each.

    \b
    Examples:
      python -m tests.benchmarks.growth --out growth.json --plot growth.svg
      python -m tests.benchmarks.growth --only brands --most-brands 10000
      python -m tests.benchmarks.growth --only partitions --events 5000 --out growth.json --plot growth.svg
    """
    # threadpoolctl does not know these threads.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - began:6.0f} s  {text}", err=True)

    figures: dict[str, Any] = orjson.loads(out.read_bytes()) if out and out.exists() else {}
    with threadpool_limits(1):
        for name in only or SERIES:
            figures[name] = []
            for point in SERIES[name](Options(**options), say):
                figures[name].append(msgspec.to_builtins(point))
                click.echo(orjson.dumps({name: figures[name][-1]}))
            # Write after each series, so that a later failure does not lose what has been measured.
            if out:
                out.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2) + b"\n")
    if plot:
        draw(figures, plot)


if __name__ == "__main__":
    main()
