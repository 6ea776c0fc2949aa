"""``shelfwise taxonomy``: check a category tree."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.options import FILE, taxonomy_options
from streams.cli.output import console, print_json
from streams.cli.root import ExitCode


@click.group("taxonomy")
def command() -> None:
    """Check a category tree.

    \b
    Examples:
      shelfwise taxonomy check taxonomy-with-ids.en-US.txt
    """


@command.command("check")
@click.argument("file", type=FILE)
@taxonomy_options("--format", "--separator")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def check(ctx: click.Context, file: Path, taxonomy_form: str | None, separator: str, as_json: bool) -> None:
    """Report what a taxonomy file contains, and everything wrong with it; exit status 1 if it is not a tree.

    Google's taxonomy-with-ids, Shopify's categories.txt, lines of paths, and CSV or TSV are read.

    \b
    Examples:
      shelfwise taxonomy check tree.txt
      shelfwise taxonomy check tree.csv --separator / --json
    """
    from schemas.taxonomy import validate_taxonomy

    report = validate_taxonomy(file, format=taxonomy_form, separator=separator)
    if as_json:
        print_json(report.to_json())
    else:
        console().print(report)
    if not report.valid:
        ctx.exit(ExitCode.FAILED)
