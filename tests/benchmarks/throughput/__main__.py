"""The command line of the throughput benchmark: ``python -m tests.benchmarks.throughput``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import orjson
from rich.console import Console

from tests.benchmarks.throughput.options import CONTESTANTS, Options

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_WIDTH = 120


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--events", default=Options().events, show_default=True, type=click.IntRange(1_000))
@click.option("--rounds", default=Options().rounds, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--seconds",
    default=Options().seconds,
    show_default=True,
    type=click.FloatRange(1),
    help="The longest run of a contestant, from its first decision on.",
)
@click.option("--only", multiple=True, type=click.Choice(CONTESTANTS), help="Repeatable; without it, all.")
@click.option("--no-latency", is_flag=True, help="Leave the open-loop load out.")
@click.option("--nodes", default=Options().nodes, show_default=True, help="Nodes of the tree.")
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A model to use.")
@click.option(
    "--data", type=_DIRECTORY, envvar="SHELFWISE_DATA", default="../shared/data", help="Real catalogues."
)
@click.option(
    "--cores",
    type=click.FloatRange(0.05, 64),
    help="Let each worker use at most so many cores, such as 0.4, as if there were cores to spare (Linux, root).",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON.")
@click.option("--short", is_flag=True, help="Few events, one round, two loads: four minutes.")
def main(  # noqa: PLR0917 - an option is a parameter
    events: int,
    rounds: int,
    seconds: float,
    only: tuple[str, ...],
    no_latency: bool,
    nodes: int,
    bundle: Path | None,
    data: Path,
    cores: float | None,
    out: Path | None,
    short: bool,
) -> None:
    """Measure the whole service on a local Kafka, beside a bare loop, Quix Streams and plain Faust.

    \b
      python -m tests.benchmarks.throughput --short --out var/throughput.json
      python -m tests.benchmarks.throughput --only bare --only ours --no-latency --rounds 1
      python -m tests.benchmarks.throughput --only ours --only ours_two_processes --no-latency --cores 0.4
    """
    options = Options(
        events=events,
        rounds=rounds,
        seconds=seconds,
        contestants=only or CONTESTANTS,
        nodes=nodes,
        bundle=bundle,
        data=data if data.is_dir() else None,
        cores=cores,
    )
    options = options.short() if short else options
    if no_latency:
        options = options.without_latency()
    found = _measure(options)
    # Write the figures first: tables can be made from figures, but not the other way round.
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    from tests.benchmarks.throughput.report import show

    console = Console()
    # Do not truncate tables in files and logs.
    show(found, console if console.is_terminal else Console(width=_WIDTH))


def _measure(options: Options) -> dict[str, object]:
    from streams.kafka.local import LocalKafka
    from tests.benchmarks.throughput.bench import Bench
    from tests.benchmarks.throughput.tree import bundle_on

    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - began:6.0f} s  {text}", err=True)

    say("the model")
    model = options.bundle or bundle_on(options.nodes, Path("var/throughput"))
    with (
        tempfile.TemporaryDirectory(prefix="shelfwise-throughput-") as directory,
        LocalKafka(optimised=True) as broker,
    ):
        return Bench(options, broker, model, Path(directory), say).measure()


if __name__ == "__main__":
    main()
