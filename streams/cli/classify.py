"""``shelfwise classify``: decisions without Kafka."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import DIRECTORY, load_settings, product_file, product_options
from streams.cli.output import console, print_json, progress_bar, tell_skipped

if TYPE_CHECKING:
    from schemas.events.position import SourcePosition
    from schemas.events.product import Product
    from workers.product_files import ProductFile


@click.command("classify")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option("--bundle", type=DIRECTORY, help="The model, in place of SHELFWISE_BUNDLE (var/bundle).")
@click.option("--title", help="Classify one product, of this title, instead of a file.")
@click.option("--description")
@click.option("--brand")
@click.option("--store", "stores", multiple=True, help="Repeatable.")
@click.option("--merchant-category", help="The brand's or shop's own text.")
@click.option("--affiliate-network")
@click.option("--affiliate-category")
@click.option("--price", type=float)
@click.option("--currency", metavar="CODE", help="ISO 4217, such as EUR.")
@product_options
@click.option(
    "--json/--text", "as_json", default=None, help="Default: text for one product on a terminal, else JSON lines."
)
def command(
    *,
    file: Path | None,
    bundle: Path | None,
    columns: tuple[str, ...],
    form: str | None,
    skip_invalid: bool,
    as_json: bool | None,
    **fields: object,
) -> None:
    """Classify one product or a file of them: the stream's own code and decisions, without Kafka.

    FILE is JSON lines, CSV, TSV or Parquet, gzipped or not; - is standard input, JSON lines. One decision a line
    comes out, in the order of the file; its source is the file and the line.

    \b
    Examples:
      shelfwise classify --title "Desk lamp, black" --brand Lumo --store Bright
      shelfwise classify products.csv --column title=Name > decisions.jsonl
      zcat products.jsonl.gz | shelfwise classify - | jq .category.path
    """
    if (file is None) == (fields["title"] is None):
        raise click.UsageError("give FILE, or --title of one product")
    from msgspec.json import encode

    from streams.clients.render import decision_text
    from workers.bundle.bundle import load_bundle
    from workers.bundle.release import Admission
    from workers.classify import classify

    if as_json is None:
        as_json = file is not None or not sys.stdout.isatty()
    source = product_file(file, columns, form, skip_invalid=skip_invalid) if file else None
    positioned = _positioned(source) if source else iter([_one(fields)])
    settings = load_settings()
    model = load_bundle(
        bundle or settings.bundle, Admission(settings.force_rejected_bundle, settings.require_gate)
    )
    screen = console()
    outcomes: Counter[str] = Counter()
    with progress_bar(transient=True) as bars:
        task = bars.add_task("classifying", total=source.total_bytes if source else 1, note="")
        for number, (product, decision) in enumerate(classify(model, positioned), 1):
            outcomes[_outcome(decision)] += 1
            if as_json:
                print_json(encode(decision))
            else:
                screen.print(decision_text(decision, product.title))
            if source:
                bars.update(task, completed=source.bytes_read, note=f"{number:,}")
    if source:
        counts = ", ".join(f"{outcome} {count:,}" for outcome, count in outcomes.most_common())
        click.echo(f"classified {outcomes.total():,} products: {counts}", err=True)
        tell_skipped(source)


def _outcome(decision: object) -> str:
    from schemas.events.decision import CategoryAssigned

    if isinstance(decision, CategoryAssigned):
        return "backed off" if decision.backed_off else "assigned"
    return "needs review"


def _positioned(source: ProductFile) -> Iterator[tuple[Product, SourcePosition]]:
    from schemas.events.position import SourcePosition

    return ((item.product, SourcePosition(source.name, 0, item.line)) for item in source)


def _one(fields: dict[str, object]) -> tuple[Product, SourcePosition]:
    from schemas.errors import InvalidProducts
    from schemas.events.position import SourcePosition
    from workers.product_files.rows import BadValue, labelled_product

    try:
        product = labelled_product({"product_id": "command-line", **fields}, 1).product
    except BadValue as error:
        option = error.column.replace("_", "-")
        raise InvalidProducts(f"--{option} {error.value!r} {error.problem}") from None
    return product, SourcePosition("command-line", 0, 0)
