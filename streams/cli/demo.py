"""``shelfwise demo``: run everything once."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import click

from streams.cli.options import DIRECTORY, FILE, label_option, load_settings, product_file, product_options
from streams.cli.output import console, steps_progress, tell_skipped
from streams.cli.root import ExitCode


@click.command("demo")
@click.option("--products", type=FILE, help="Your own labelled products, in place of the sample catalogue.")
@click.option("--taxonomy", type=FILE, help="Your own category tree; default: the tree of the labels' paths.")
@click.option("--rate", type=click.FloatRange(1, 100_000), default=200, show_default=True, help="Events a second.")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
    default=35,
    show_default=True,
    help="How long it feeds, at most.",
)
@click.option("--keep-running", is_flag=True, help="Leave Kafka and the worker on after the feed, until Ctrl-C.")
@click.option(
    "--dir",
    "directory",
    type=DIRECTORY,
    default=Path("var/demo"),
    show_default=True,
    help="Where catalogue and model are kept for the next time.",
)
@product_options
@label_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    products: Path | None,
    taxonomy: Path | None,
    rate: float,
    seconds: float,
    keep_running: bool,
    directory: Path,
    columns: tuple[str, ...],
    form: str | None,
    skip_invalid: bool,
    path_separator: str | None,
) -> None:
    """Run everything once: Kafka, a model fitted on most of a catalogue, a worker, and the rest of it as a feed.

    Everything that was started is stopped at the end. Kafka is the one in the settings; otherwise a container, if
    Docker runs; otherwise a local Apache Kafka, if Java 17 and Maven are installed.

    \b
    Examples:
      shelfwise demo
      shelfwise demo --rate 1000 --seconds 60 --keep-running
      shelfwise demo --products shop.csv --column title=Name --taxonomy tree.txt
    """
    from streams.cli.waiting import wait_for_signal
    from streams.demo import catalogue
    from streams.demo.run import Options, Stages, run_demo

    if taxonomy and not products:
        raise click.UsageError("--taxonomy goes with --products")

    def load() -> catalogue.Catalogue:
        if products is None:
            return catalogue.sample(directory)
        source = product_file(products, columns, form, skip_invalid=skip_invalid, path_separator=path_separator)
        loaded = catalogue.own(source, products, taxonomy)
        tell_skipped(source)
        return loaded

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _as_interrupt)
    options = Options(directory.absolute(), rate, seconds, keep_running)
    stages = Stages(load, steps_progress, wait_for_signal)
    if not run_demo(load_settings(), options, stages, console()):
        click.echo("some events had no outcome in time", err=True)
        ctx.exit(ExitCode.FAILED)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    # Makes sure that every child process is stopped on the way out.
    raise KeyboardInterrupt
