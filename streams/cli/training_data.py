"""``shelfwise training-data``: turn reviewers' verdicts into labelled products."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import (
    DIRECTORY,
    FILE,
    are_one_file,
    json_option,
    kafka_options,
    label_option,
    load_settings,
    product_file,
    product_options,
)
from streams.cli.output import print_json, progress_bar, tell_skipped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.events.product import Product
    from schemas.taxonomy import Taxonomy
    from streams.review.verdicts import Verdicts
    from streams.settings import Settings
    from workers.fit.training_data import TrainingDataReport

_SHOWN = 5


@click.command("training-data")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The JSON lines file to write; an existing file is replaced.",
)
@click.option("--products", type=FILE, help="Labelled products to correct and add to: those of the model before.")
@click.option("--bundle", type=DIRECTORY, help="Whose category tree, in place of SHELFWISE_BUNDLE (var/bundle).")
@product_options
@label_option
@kafka_options
@json_option
def command(
    *,
    out: Path,
    products: Path | None,
    bundle: Path | None,
    columns: tuple[str, ...],
    form: str | None,
    skip_invalid: bool,
    path_separator: str | None,
    bootstrap_servers: str | None,
    as_json: bool,
) -> None:
    """Turn reviewers' verdicts into labelled products for the next fit.

    The last verdict on each product in reviews.decided.v1 becomes its label and replaces any label in the file; a
    verdict of "nowhere" removes the product. Product data is as last published on products.changed.v1, which keeps
    it for a week; products that have expired there are taken from the file. If neither has the title that was
    judged, the product is written as the verdict describes it: title, brand, stores and tags.

    \b
    Examples:
      shelfwise training-data --products labelled.jsonl --out next.jsonl
      shelfwise fit --products next.jsonl --taxonomy tree.txt --out var/new
      shelfwise gate --candidate var/new --current var/bundle --gold gold.jsonl
    """
    from workers.bundle.taxonomy_file import load_taxonomy
    from workers.fit.training_data import TrainingDataReport, training_rows

    if not out.parent.is_dir():
        raise click.BadParameter(f"there is no directory {out.parent}; make it first", param_hint="--out")
    if products is not None and are_one_file(out, products):
        raise click.UsageError(f"--out {out} is --products itself; name another")
    settings = load_settings(bootstrap_servers)
    taxonomy = load_taxonomy(bundle or settings.bundle)
    source = (
        product_file(products, columns, form, skip_invalid=skip_invalid, path_separator=path_separator)
        if products
        else None
    )
    verdicts, published = _read(settings, taxonomy)
    report = TrainingDataReport()
    _write(out, training_rows(source or (), verdicts.latest, published, taxonomy, report))
    if source is not None:
        tell_skipped(source)
    _tell(out, report, verdicts, as_json=as_json)


def _read(settings: Settings, taxonomy: Taxonomy) -> tuple[Verdicts, dict[str, Product]]:
    from streams.review.verdicts import read_products, read_verdicts

    with progress_bar(transient=True) as bars:
        task = bars.add_task("reading verdicts", total=None, note="")
        verdicts = read_verdicts(settings, taxonomy, lambda: bars.advance(task))
        bars.update(task, description="reading products", completed=0)
        return verdicts, read_products(settings, verdicts.latest, lambda: bars.advance(task))


def _write(out: Path, lines: Iterable[bytes]) -> None:
    from schemas.errors import InvalidProducts
    from workers.whole_file import whole_file

    with whole_file(out) as file:
        file.writelines(lines)
        if not file.tell():
            raise InvalidProducts(
                f"{out} was not written: there are no verdicts on known products, and no --products to copy"
            )


def _tell(out: Path, report: TrainingDataReport, verdicts: Verdicts, *, as_json: bool) -> None:
    if as_json:
        import orjson

        of_verdicts = {"verdicts": len(verdicts.latest), "invalid": verdicts.invalid}
        unknown = {"unknown_category": verdicts.unknown.total()}
        print_json(orjson.dumps(of_verdicts | unknown | report.counts()))
    else:
        click.echo(
            f"wrote {report.written:,} products to {out}: {report.kept:,} as they were; of"
            f" {len(verdicts.latest):,} verdicts {report.confirmed:,} confirmed a label, {report.corrected:,}"
            f" corrected one, {report.added:,} added one, {report.nowhere:,} said that it belongs nowhere"
        )
    shown = ", ".join(f"{category} ({count:,})" for category, count in verdicts.unknown.most_common(_SHOWN))
    for count, what in (
        (report.withdrawn, "rows of products that belong nowhere"),
        (report.repeated, "further rows of products that have a verdict"),
        (
            report.without_product,
            "verdicts without a title on products that are neither in Kafka nor in the file; give one with them",
        ),
        (verdicts.invalid, "verdicts that break their contract"),
        (verdicts.unknown.total(), f"verdicts for categories that the bundle's tree lacks: {shown}"),
    ):
        if count:
            click.secho(f"left out {count:,} {what}", err=True, fg="yellow")
