"""``shelfwise gate``: decide whether a model bundle may be released."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from streams.cli.options import DIRECTORY, FILE, json_option, label_option, product_file, product_options
from streams.cli.output import console, print_json, steps_progress, tell_skipped

if TYPE_CHECKING:
    from rich.table import Table

    from workers.gate.gate import GateReport

_WIDTH: Final = 112
_SHARE: Final = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command("gate")
@click.option(
    "--candidate", type=DIRECTORY, required=True, help="The bundle to judge; the verdict is written into it."
)
@click.option("--current", type=DIRECTORY, help="The bundle that it would replace.")
@click.option("--first", is_flag=True, help="There is no current bundle: judge the error budget alone.")
@click.option("--gold", type=FILE, required=True, help="Labelled products that no bundle is fitted on.")
@click.option(
    "--gold-sha256",
    metavar="HEX",
    help="The expected SHA-256 of the gold file; default: from GOLD.sha256 beside it, written on the first run.",
)
@click.option(
    "--level",
    type=_SHARE,
    default=0.05,
    show_default=True,
    help="Significance level: the chance of rejecting a candidate that is no worse.",
)
@click.option("--max-error", type=_SHARE, default=0.05, show_default=True, help="The error budget.")
@click.option(
    "--category-fall", type=_SHARE, default=0.1, show_default=True, help="Recall that a category may lose."
)
@click.option(
    "--category-products",
    type=click.IntRange(5),
    default=20,
    show_default=True,
    help="Test only categories with at least this many gold products.",
)
@click.option(
    "--min-products", type=click.IntRange(20), default=100, show_default=True, help="Fewest products to judge by."
)
@click.option(
    "--max-leaked",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Refuse the gold set if a larger share of it leaked into the bundles.",
)
@click.option("--keep-leaked", is_flag=True, help="Judge also on products that a bundle was fitted on.")
@click.option("--skip-unknown-categories", is_flag=True, help="Leave out products whose category a tree lacks.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap.")
@click.option("--dry-run", is_flag=True, help="Write no verdict.")
@product_options
@label_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    candidate: Path,
    current: Path | None,
    first: bool,
    gold: Path,
    gold_sha256: str | None,
    skip_unknown_categories: bool,
    dry_run: bool,
    columns: tuple[str, ...],
    form: str | None,
    skip_invalid: bool,
    path_separator: str | None,
    as_json: bool,
    **judging: Any,
) -> None:
    """Accept or reject a model bundle: exit status 0 or 1.

    Both bundles decide those products of the gold set on which neither was fitted. The candidate is rejected if a
    headline metric gets worse or a category loses more than a tenth of its recall (each by more than chance), or
    if it breaks the error budget. Workers refuse a rejected bundle unless they are forced to load it, which is
    recorded.

    \b
    Examples:
      shelfwise gate --candidate var/new --current var/bundle --gold gold.jsonl
      shelfwise gate --candidate var/bundle --first --gold gold.jsonl
      shelfwise gate --candidate var/new --current var/bundle --gold gold.csv --column title=Name --json
    """
    if (current is None) != first:
        raise click.UsageError("name the --current bundle, or say --first where there is none")
    from workers.bundle.for_good import load_for_good
    from workers.bundle.release import EVALUATION, write_verdict
    from workers.gate.gate import GateOptions, judge
    from workers.gate.gold import GoldSet, freeze, frozen_digest
    from workers.printable import printable

    digest = frozen_digest(gold, gold_sha256)
    source = product_file(gold, columns, form, skip_invalid=skip_invalid, path_separator=path_separator)
    gold_set = GoldSet.of(printable(gold.name), digest, list(source))
    tell_skipped(source)
    new = load_for_good(candidate, EVALUATION)
    old = load_for_good(current, EVALUATION) if current else None
    options = GateOptions(skip_unknown=skip_unknown_categories, **judging)
    with steps_progress() as progress:
        report = judge(new, old, gold_set, options, progress)
    if gold_sha256 is None:
        freeze(gold, digest)
    if not dry_run:
        write_verdict(candidate, report.verdict())
    if as_json:
        import msgspec

        print_json(msgspec.json.encode(report))
    else:
        _show(report)
    if report.decision == "rejected":
        ctx.exit(1)


def _show(report: GateReport) -> None:
    screen = console()
    # Truncated figures are useless, so a narrow terminal wraps whole lines instead.
    screen.width = max(screen.width, _WIDTH)
    screen.print(_products(report), markup=False)
    screen.print(_metrics(report))
    if report.categories:
        screen.print(_categories(report))
    for check in report.budget:
        name = check.decisions_of.replace("_", " ")
        screen.print(
            f"{name}: {check.wrong:,} of {check.decisions:,} wrong, budget {100 * check.max_error:g}%:"
            f" {check.verdict}"
        )
    colour = "green" if report.decision == "accepted" else "red"
    against = f" beside {report.current}" if report.current else ", the first release"
    screen.print(f"[bold {colour}]{report.decision}[/]: model {report.candidate}{against}")
    for reason in report.reasons:
        screen.print(f"  {reason}", markup=False)


def _products(report: GateReport) -> str:
    lines = [f"gold set {report.gold} ({report.gold_sha256[:12]}): {report.products:,} products compared"]
    audits = [("candidate", report.leaks_candidate), ("current bundle", report.leaks_current)]
    for name, leaks in audits:
        if leaks is None:
            continue
        if leaks.training_products is None:
            lines.append(f"  the {name} does not say what it was fitted on: leaks into it are not known")
        else:
            lines.append(
                f"  the {name} was fitted on {leaks.exact:,} products of the gold set and near-duplicates of"
                f" {leaks.near:,} more"
            )
        lines += [f"    {example.product_id}: {example.title}" for example in leaks.examples]
    lines.append(
        f"  leaked: {report.leaked:,}; without label: {report.unlabelled:,};"
        f" category not in {'both trees' if report.current else 'the tree'}: {report.unknown_categories:,}"
    )
    return "\n".join(lines)


def _metrics(report: GateReport) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("metric")
    for name in ("current", "candidate", "difference", "95 % interval", "p"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for change in report.metrics:
        known = change.low is not None and change.high is not None
        table.add_row(
            change.name,
            _number(change.current, ".4f"),
            _number(change.candidate, ".4f"),
            _number(change.difference, "+.4f"),
            f"{change.low:+.4f} to {change.high:+.4f}" if known else "-",
            _number(change.p_value, ".4f"),
            _verdict(change.verdict),
        )
    return table


def _categories(report: GateReport) -> Table:
    from rich.markup import escape
    from rich.table import Table

    fallen = f"categories of {report.categories_judged:,} judged that lost more than they may"
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(fallen)
    for name in ("products", "current", "candidate", "p"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for change in report.categories:
        table.add_row(
            escape(change.path),
            f"{change.products:,}",
            f"{change.current:.1%}",
            f"{change.candidate:.1%}",
            f"{change.p_value:.4f}",
            _verdict("noise" if change.verdict == "held" else "fell"),
        )
    return table


def _verdict(text: str) -> str:
    return f"[bold red]{text}[/]" if text == "fell" else text


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
