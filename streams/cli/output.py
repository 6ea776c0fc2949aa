"""Terminal output: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import click

from workers.printable import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from workers.product_files import ProductFile

_SILENCE_SECONDS: Final = 60.0


def console(*, stderr: bool = False) -> Console:
    """Return a console that does not wrap lines if the output is not a terminal."""
    from rich.console import Console

    class Piped(Console):
        """Lets the command handle a reader that has gone away; Rich would exit with status 1."""

        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - called while that error is handled

    return Piped(stderr=stderr, highlight=False, soft_wrap=not (sys.stderr if stderr else sys.stdout).isatty())


def print_json(value: bytes) -> None:
    """Print one JSON object on a line of its own and flush it, so that a pipe gets it at once."""
    print_bytes(value + b"\n")


def print_bytes(value: bytes) -> None:
    """Print bytes unchanged, and flush them."""
    stream = click.get_binary_stream("stdout")
    with to_standard_output():
        stream.write(value)
        stream.flush()


@contextmanager
def to_standard_output() -> Iterator[None]:
    """Turn failures to write standard output into :class:`schemas.errors.InvalidFile`."""
    from schemas.errors import InvalidFile

    try:
        yield
    except BrokenPipeError:  # the reader has gone away; click then exits silently
        raise
    except OSError as error:
        forsake_standard_output()
        raise InvalidFile(f"standard output: {error.strerror}; write to where there is room") from error


def forsake_standard_output() -> None:
    """Discard everything written there from now on: Python flushes what is left when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def progress_bar(*, transient: bool = False) -> Progress:
    """Return a progress bar on standard error that shows nothing if standard error is not a terminal."""
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
    """Yield a :class:`workers.progress.Progress` that draws a bar for each step.

    Without a terminal it prints a line with the time passed when a step begins, and once a minute what is done.
    """
    with progress_bar() as bars:
        tasks: dict[str, Any] = {}
        began = told = monotonic()

        def report(step: str, done: int, total: int) -> None:
            nonlocal told
            begins = step not in tasks
            if begins:
                tasks[step] = bars.add_task(step.ljust(28), total=total, note="")
            if bars.disable and (begins or monotonic() >= told + _SILENCE_SECONDS):
                told = monotonic()
                share = "..." if begins else f"{done:,} of {total:,}"
                click.echo(f"{timedelta(seconds=int(told - began))} {step} {share}", err=True)
            bars.update(tasks[step], completed=done, total=total)

        yield report


def tell_skipped(file: ProductFile) -> None:
    """Report on standard error the overlooked columns, the number of rows left out, and the first of them."""
    for name, ours in file.overlooked:
        click.echo(f"column {name!r} is not read; if it holds the {ours}, use --column {ours}={name}", err=True)
    if total := file.skipped.total():
        by_column = ", ".join(f"{column} {count:,}" for column, count in file.skipped.most_common())
        click.echo(f"left out {total:,} of {file.rows:,} rows, by column: {by_column}", err=True)
        click.echo(f"the first: {plain(file.first_skipped or '')}", err=True)
