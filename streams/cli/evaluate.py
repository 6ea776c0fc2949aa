"""``shelfwise evaluate``: measure how good a bundle is on labelled products."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import (
    DIRECTORY,
    FILE,
    are_one_file,
    label_option,
    load_settings,
    product_file,
    product_options,
)
from streams.cli.output import console, print_json, steps_progress, tell_skipped
from workers.printable import plain, printable

if TYPE_CHECKING:
    from rich.table import Table

    from workers.fit.labels import LabelledProducts

_UNKNOWN_SHOWN = 5
_FIGURES = (
    ("exact_accuracy", "exact accuracy"),
    ("exact_accuracy_lenient", "  lenient: any of its right places"),
    ("top3_accuracy", "top-3 accuracy"),
    ("hierarchical_f1", "hierarchical F1"),
    ("hierarchical_f1_lenient", "  lenient"),
    ("macro_f1", "macro-F1 over categories"),
    ("recall_at_30", "recall at 30 candidates"),
    ("coverage", "coverage: assigned without a person"),
    ("precision_assigned", "  of these right"),
    ("usable_coverage", "usable: assigned or backed off"),
    ("hierarchical_precision_usable", "  of these right as far as they go"),
    ("depth_kept", "  of the depth kept"),
    ("review_share", "review: sent to a person"),
    ("expected_calibration_error", "calibration error (ECE)"),
    ("aurc", "area under the risk-coverage curve"),
    ("coverage_at_95_precision", "coverage at 95 % precision, in hindsight"),
)


@click.command("evaluate")
@click.option("--bundle", type=DIRECTORY, help="The model, in place of SHELFWISE_BUNDLE (var/bundle).")
@click.option("--products", type=FILE, required=True, help="Labelled products that it was not fitted on.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write an HTML report with plots: one file that needs no network.",
)
@click.option(
    "--draws",
    type=click.IntRange(1, 100_000),
    default=1_000,
    show_default=True,
    help="Bootstrap samples for the intervals.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap.")
@product_options
@label_option
@click.option("--json", "as_json", is_flag=True, help="Print every figure as one JSON object.")
def command(
    *,
    bundle: Path | None,
    products: Path,
    report: Path | None,
    draws: int,
    seed: int,
    columns: tuple[str, ...],
    form: str | None,
    skip_invalid: bool,
    path_separator: str | None,
    as_json: bool,
) -> None:
    """Measure how good a bundle is on labelled products.

    A label is the column category_path or category_id, as for `shelfwise fit`. Products without a label, or whose
    category the bundle's tree lacks, are counted and left out of the figures. docs/evaluation.md defines every
    figure and JSON key.

    \b
    Examples:
      shelfwise evaluate --bundle var/bundle --products held-out.jsonl
      shelfwise evaluate --products held-out.csv --column title=Name --report report.html
      shelfwise evaluate --bundle var/bundle --products held-out.jsonl --json | jq .exact_accuracy
    """
    if report is not None and not report.parent.is_dir():
        raise click.BadParameter(f"there is no directory {report.parent}; make it first", param_hint="--report")
    if report is not None and are_one_file(report, products):
        raise click.UsageError(f"--report {report} is --products itself; name another")
    from workers.bundle.for_good import load_for_good
    from workers.bundle.release import EVALUATION
    from workers.evaluation.evaluate import Resampling, Source, evaluate, find_labels
    from workers.evaluation.report.words import in_training

    model = load_for_good(bundle or load_settings().bundle, EVALUATION)
    source = product_file(products, columns, form, skip_invalid=skip_invalid, path_separator=path_separator)
    labelled = find_labels(list(source), model)
    tell_skipped(source)
    _tell_left_out(labelled)
    with steps_progress() as progress:
        document = evaluate(
            model,
            labelled,
            Source(printable(products.name), source.skipped.total()),
            Resampling(draws, seed),
            progress,
        )
    if flattered := in_training(document):
        click.secho(flattered, err=True, fg="yellow")
    if as_json:
        import orjson

        print_json(orjson.dumps(document))
    else:
        console().print(_table(document))
    if report is not None:
        from workers.evaluation.report import write_report

        write_report(document, report)
        click.echo(f"the report is in {report}", err=True)


def _tell_left_out(labelled: LabelledProducts) -> None:
    """Report on standard error which rows are left out of the figures."""
    if labelled.unlabelled:
        click.echo(f"left out {labelled.unlabelled:,} products without a label", err=True)
    if labelled.unknown:
        shown = "; ".join(f"{label} ({count:,})" for label, count in labelled.unknown_labels[:_UNKNOWN_SHOWN])
        click.secho(
            f"LEFT OUT {labelled.unknown:,} products of {len(labelled.unknown_labels):,} categories that the"
            f" bundle's tree lacks, so that it cannot get them right: {plain(shown)}",
            err=True,
            fg="yellow",
        )


def _table(document: dict[str, Any]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    file = escape(document["measured"]["file"])
    table = Table(
        title=f"model {document['model']['model_version']} on {document['n']:,} products of {file}",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for key, label in _FIGURES:
        low, high = document["intervals"].get(key, (None, None))
        between = "" if low is None else f"{low:.4f} - {high:.4f}"
        value = document[key]
        table.add_row(label, "n/a" if value is None else f"{value:.4f}", between)
    return table
