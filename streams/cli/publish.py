"""``shelfwise publish``: publish a file of products."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import json_option, kafka_options, load_settings, product_file, product_options
from streams.cli.output import print_json, progress_bar, tell_skipped
from streams.cli.root import ExitCode
from streams.cli.waiting import until_interrupted

if TYPE_CHECKING:
    from schemas.events.product import Product
    from streams.clients.feed import Feed, FeedReport
    from workers.product_files import ProductFile


@click.command("publish")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events a second at most.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many events.")
@click.option("--loop", is_flag=True, help="Start over at the end of the file, until Ctrl-C.")
@click.option(
    "--same-ids",
    is_flag=True,
    help="With --loop: keep the product ids. By default every further pass uses new ids, because unchanged "
    "products would not be decided again.",
)
@click.option("--remove", is_flag=True, help="Publish removals (tombstones) of these products.")
@product_options
@kafka_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    file: Path,
    rate: float | None,
    limit: int | None,
    loop: bool,
    same_ids: bool,
    remove: bool,
    columns: tuple[str, ...],
    form: str | None,
    skip_invalid: bool,
    bootstrap_servers: str | None,
    as_json: bool,
) -> None:
    """Feed a file of products to the stream, as events on products.changed.v1.

    FILE is JSON lines, CSV or TSV, gzipped or not, or Parquet; - is standard input. The key of an event is the
    product's id. Labels are not published: a feed has none.

    \b
    Examples:
      shelfwise publish products.jsonl
      shelfwise publish products.csv --column title="Product Name" --rate 50
      shelfwise publish products.parquet --loop --rate 500
      shelfwise publish gone.jsonl --remove
    """
    from schemas.topics import PRODUCTS_CHANGED
    from streams.clients.connect import open_producer
    from streams.clients.feed import Feed

    if loop and str(file) == "-":
        raise click.UsageError("standard input can be read once: name a file to --loop over")
    settings = load_settings(bootstrap_servers)
    source = product_file(file, columns, form, skip_invalid=skip_invalid)
    feed = Feed(open_producer(settings, PRODUCTS_CHANGED), settings.topic(PRODUCTS_CHANGED), rate=rate)
    try:
        with until_interrupted() as interrupted:
            _publish(feed, source, limit, loop=loop, fresh_ids=not same_ids, remove=remove)
    finally:
        # Also if an unreadable row ends it: the rows before it are published.
        report = feed.flush()
        tell_skipped(source)
        _tell(report, settings.topic(PRODUCTS_CHANGED), source.skipped.total(), as_json=as_json)
    if report.failed:
        ctx.exit(ExitCode.FAILED)
    if interrupted.is_set() and not loop:
        ctx.exit(ExitCode.INTERRUPTED)


def _tell(report: FeedReport, topic: str, skipped: int, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        counts = {"sent": report.sent, "acknowledged": report.acknowledged, "failed": report.failed}
        print_json(msgspec.json.encode(counts | {"skipped": skipped}))
    else:
        click.echo(f"published {report.acknowledged:,} events to {topic}")
    if report.failed:
        click.echo(f"{report.failed:,} events were refused; the first: {report.first_error}", err=True)


def _publish(
    feed: Feed, source: ProductFile, limit: int | None, *, loop: bool, fresh_ids: bool, remove: bool
) -> None:
    from itertools import islice

    from streams.clients.feed import passes

    products = passes(lambda: _products(source), loop=loop, fresh_ids=fresh_ids)
    with progress_bar() as bars:
        task = bars.add_task("publishing", total=None, note="")
        for number, product in enumerate(islice(products, limit), 1):
            if remove:
                feed.remove(product.product_id)
            else:
                feed.publish(product)
            if number % 50 == 0:
                bars.update(task, **_position(feed, source, number, limit, loop=loop))
        bars.update(task, description="waiting for acknowledgements")
        feed.flush()
        bars.update(task, completed=1, total=1, description="published", note=f"{feed.report.acknowledged:,}")


def _products(source: ProductFile) -> Iterator[Product]:
    return (item.product for item in source)


def _position(feed: Feed, source: ProductFile, number: int, limit: int | None, *, loop: bool) -> dict[str, Any]:
    note = f"{number:,} sent, {feed.report.outstanding:,} in flight"
    if limit:
        return {"completed": number, "total": limit, "note": note}
    if loop or not source.total_bytes or not source.bytes_read:
        return {"note": note}
    return {"completed": source.bytes_read, "total": source.total_bytes, "note": note}
