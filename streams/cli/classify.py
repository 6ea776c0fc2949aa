"""``shelfwise classify``: classify products without Kafka."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import click

from streams.cli.options import (
    DIRECTORY,
    are_one_file,
    load_settings,
    product_file,
    product_options,
    usage_errors,
)
from streams.cli.output import console, print_bytes, print_json, progress_bar, tell_skipped, to_standard_output

if TYPE_CHECKING:
    from schemas.events.position import SourcePosition
    from schemas.events.product import Product
    from workers.backfill.forms import Form
    from workers.bundle.release import Admission
    from workers.product_files import ProductFile

# A smaller file is done before more processes would have loaded the model.
_SMALL_BYTES: Final = 1 << 20


@click.command("classify")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option("--bundle", type=DIRECTORY, help="The model, in place of SHELFWISE_BUNDLE (var/bundle).")
@click.option("--title", help="Classify one product with this title, instead of a file.")
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
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this file (.jsonl) or directory of Parquet files (.parquet), not to standard output.",
)
@click.option(
    "--resume", is_flag=True, help="Continue an interrupted --output, with the same FILE, --column and model."
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Number of processes. Default: one per core; one for a small file.",
)
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
    output: Path | None,
    resume: bool,
    processes: int | None,
    as_json: bool | None,
    **fields: object,
) -> None:
    """Classify one product or a file of products, without Kafka, with the same code and decisions as the stream.

    FILE is JSON lines, CSV, TSV (each may be gzipped) or Parquet; - reads JSON lines from standard input. The
    output has one decision per line, in the order of the file: its outcome is assigned, backed_off or
    needs_review, and its source names the file and the line.

    \b
    Examples:
      shelfwise classify --title "Desk lamp, black" --brand Lumo --store Bright
      shelfwise classify products.csv --column title=Name > decisions.jsonl
      zcat products.jsonl.gz | shelfwise classify - | jq .category.path
      shelfwise classify products.csv | jq -c 'select(.outcome == "needs_review") | [.product_id, .reason]'
      shelfwise classify catalogue.parquet --output decisions.parquet --resume
    """
    if (file is None) == (fields["title"] is None):
        raise click.UsageError("give either FILE or, for one product, --title")
    if output is None and resume:
        raise click.UsageError("--resume continues an interrupted --output: give both")
    if output is not None and (file is None or as_json is False):
        raise click.UsageError("--output needs FILE, and cannot be used with --text")
    if output is not None and file is not None and are_one_file(output, file):
        raise click.UsageError(f"--output {output} is FILE itself; name another")
    from workers.bundle.release import Admission

    if as_json is None:
        as_json = file is not None or not sys.stdout.isatty()
    settings = load_settings()
    model = bundle or settings.bundle
    admission = Admission(settings.force_rejected_bundle, settings.require_gate)
    source = product_file(file, columns, form, skip_invalid=skip_invalid) if file else None
    if source is None or not as_json:
        outcomes = _in_this_process(model, admission, source or _one(fields), as_json=as_json)
    else:
        try:
            outcomes = _in_processes(model, admission, source, _Target(output, resume, processes))
        except KeyboardInterrupt:
            if output is not None:
                click.echo("\ninterrupted; the same command with --resume goes on", err=True)
            raise
    if source is not None:
        counts = ", ".join(f"{outcome.replace('_', ' ')} {count:,}" for outcome, count in outcomes.most_common())
        more = "more " if resume else ""
        click.echo(f"classified {outcomes.total():,} {more}products" + (f": {counts}" if counts else ""), err=True)
        tell_skipped(source)


class _Target(NamedTuple):
    output: Path | None
    resume: bool
    processes: int | None


def _in_this_process(
    bundle: Path,
    admission: Admission,
    source: ProductFile | tuple[Product, SourcePosition],
    *,
    as_json: bool,
) -> Counter[str]:
    """Print each decision as soon as it is made."""
    from schemas.events.decision import outcome_of
    from streams.clients.render import decision_text
    from workers.backfill.forms import to_json
    from workers.bundle.for_good import load_for_good
    from workers.classify import classify

    model = load_for_good(bundle, admission)
    screen = console()
    outcomes: Counter[str] = Counter()
    positioned = iter([source]) if isinstance(source, tuple) else _positioned(source)
    for decision in classify(model, positioned):
        outcomes[outcome_of(decision)] += 1
        if as_json:
            print_json(to_json(decision))
        else:
            with to_standard_output():
                screen.print(decision_text(decision))
    return outcomes


def _in_processes(bundle: Path, admission: Admission, source: ProductFile, target: _Target) -> Counter[str]:
    """Write the decisions chunk by chunk, and show a progress bar."""
    from joblib import cpu_count

    from workers.backfill.chunks import CHUNK_PRODUCTS, chunks_of
    from workers.backfill.forms import form_of
    from workers.backfill.outputs import find_ending, open_output
    from workers.backfill.run import Job, chunks_after, decide_all
    from workers.bundle import files
    from workers.bundle.release import admit
    from workers.classify import BATCH_PRODUCTS
    from workers.printable import printable

    manifest = files.verify(bundle)
    admit(bundle, manifest, admission)
    processes = target.processes or (cpu_count() if source.total_bytes > _SMALL_BYTES else 1)
    # A single process uses the model's batch size, because another program may be waiting at the end of a pipe.
    size = CHUNK_PRODUCTS if processes > 1 else BATCH_PRODUCTS
    outcomes: Counter[str] = Counter()
    with usage_errors():
        form: Form = "jsonl" if target.output is None else form_of(target.output)
    name = printable(source.name)
    with ExitStack() as stack:
        output, chunks = None, chunks_of(source, 0, size)
        if target.output is not None:
            ending = find_ending(target.output, resume=target.resume)
            if ending.last is not None:
                chunks = chunks_after(ending.last, source, manifest.model_version, size)
                # An output uses one name for the file, even if it is resumed under another name.
                name = ending.last.source.topic
            output = stack.enter_context(closing(open_output(target.output, ending)))
        bars = stack.enter_context(progress_bar(transient=True))
        task = bars.add_task("classifying", total=source.total_bytes or None, note="")
        for decided in decide_all(Job(bundle, name, form), chunks, processes):
            if output is None:
                print_bytes(decided.payload)
            else:
                output.append(decided.payload)
            outcomes += decided.outcomes
            bars.update(task, completed=decided.bytes_read, note=f"{outcomes.total():,}")
    return outcomes


def _positioned(source: ProductFile) -> Iterator[tuple[Product, SourcePosition]]:
    from schemas.events.position import SourcePosition
    from workers.printable import printable

    name = printable(source.name)
    return ((item.product, SourcePosition(name, 0, item.line)) for item in source)


def _one(fields: dict[str, object]) -> tuple[Product, SourcePosition]:
    from schemas.events.position import SourcePosition

    stores = cast("tuple[str, ...]", fields["stores"])
    # Check each option by itself first: an error on all of them together would name a column, not the option.
    for option, value in (*fields.items(), *(("store", store) for store in stores)):
        if option != "stores":
            _product({option: value}, option, value)
    return _product(fields, "store", stores), SourcePosition("command-line", 0, 0)


def _product(fields: dict[str, object], option: str, value: object) -> Product:
    """Return the product made from options; raises :class:`click.UsageError` with this option and its value."""
    import reprlib

    from schemas.events.codec import encode
    from workers.product_files.rows import BadValue, labelled_product

    try:
        product = labelled_product({"product_id": "command-line", "title": "-", **fields}, 1).product
        encode(product)
    except BadValue as error:
        problem = error.problem
    except UnicodeEncodeError:
        problem = "is no UTF-8; give it as UTF-8"
    else:
        return product
    raise click.UsageError(f"--{option.replace('_', '-')} {reprlib.repr(value)} {problem}")
