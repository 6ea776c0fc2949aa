"""What goes to the terminal: results on standard output, all else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from workers.printable import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from workers.product_files import ProductFile


def console(*, stderr: bool = False) -> Console:
    """Return a console that writes whole lines where the output is no terminal."""
    from rich.console import Console

    class Piped(Console):
        """Leaves it to the command what a reader that has gone means; Rich would end it with 1."""

        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - called while that is handled

    return Piped(stderr=stderr, highlight=False, soft_wrap=not (sys.stderr if stderr else sys.stdout).isatty())


def print_json(value: bytes) -> None:
    """Print one JSON object on a line of its own, at once, so that a pipe sees it."""
    print_bytes(value + b"\n")


def print_bytes(value: bytes) -> None:
    """Print as it is, at once."""
    stream = click.get_binary_stream("stdout")
    with to_standard_output():
        stream.write(value)
        stream.flush()


@contextmanager
def to_standard_output() -> Iterator[None]:
    """Do what writes to standard output; raises :class:`schemas.errors.InvalidFile` where it cannot be written."""
    from schemas.errors import InvalidFile

    try:
        yield
    except BrokenPipeError:  # whoever read it has gone, which click ends on without a word
        raise
    except OSError as error:
        forsake_standard_output()
        raise InvalidFile(f"standard output: {error.strerror}; write to where there is room") from error


def forsake_standard_output() -> None:
    """Let nothing more be written there: Python writes what is left once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def progress_bar(*, transient: bool = False) -> Progress:
    """Return a progress bar on standard error: nothing where that is no terminal."""
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[note]}"),
        progress.TimeElapsedColumn(),
        console=console(stderr=True),
        transient=transient,
        disable=not sys.stderr.isatty(),
    )


@contextmanager
def steps_progress() -> Iterator[Any]:
    """Give a :class:`workers.progress.Progress` that draws a bar for each step, or prints its name once."""
    with progress_bar() as bars:
        tasks: dict[str, Any] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step.ljust(28), total=total, note="")
                if bars.disable:
                    click.echo(f"{step} ...", err=True)
            bars.update(tasks[step], completed=done, total=total)

        yield report


def tell_skipped(file: ProductFile) -> None:
    """Say on standard error which columns were overlooked, how many rows were left out, and show the first."""
    for name, ours in file.overlooked:
        click.echo(f"column {name!r} is not read; if it holds the {ours}, use --column {ours}={name}", err=True)
    if total := file.skipped.total():
        by_column = ", ".join(f"{column} {count:,}" for column, count in file.skipped.most_common())
        click.echo(f"left out {total:,} of {file.rows:,} rows, by column: {by_column}", err=True)
        click.echo(f"the first: {plain(file.first_skipped or '')}", err=True)
