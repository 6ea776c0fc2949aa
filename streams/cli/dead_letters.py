"""``shelfwise dead-letters``: list dead letters and send them again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from schemas.events.dead_letter import Reason
from streams.cli.options import json_option, kafka_options, load_settings
from streams.cli.output import console, print_json, progress_bar
from streams.cli.root import ExitCode
from streams.cli.waiting import until_interrupted
from streams.local_time import parse_time
from workers.printable import plain

if TYPE_CHECKING:
    from streams.clients.dead_letters import Choice, Filter, ResendReport
    from streams.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def _time(_ctx: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    try:
        return None if value is None else parse_time(value)
    except ValueError:
        problem = f"{value!r} is not a time such as 2026-01-31T08:00, local unless it names a zone"
        raise click.BadParameter(problem) from None


def _filter_options(command: Command) -> Command:
    for option in (
        click.option("--limit", type=click.IntRange(min=1), help="At most this many."),
        click.option("--until", metavar="TIME", callback=_time, help="Dead-lettered before this time."),
        click.option(
            "--since",
            metavar="TIME",
            callback=_time,
            help="Dead-lettered at or after this time, such as 2026-01-31T08:00, local unless it names a zone.",
        ),
        click.option(
            "--partition",
            "partitions",
            type=click.IntRange(min=0),
            multiple=True,
            help="From this partition. Repeatable.",
        ),
        click.option("--product", "keys", multiple=True, help="With this product id. Repeatable."),
        click.option("--stage", "stages", multiple=True, help="From this stage. Repeatable."),
        click.option(
            "--reason",
            "reasons",
            multiple=True,
            type=click.Choice([str(reason) for reason in Reason]),
            help="With this reason. Repeatable.",
        ),
    ):
        command = option(command)
    return command


@click.group("dead-letters")
def command() -> None:
    """List dead letters, or send them again.

    \b
    Examples:
      shelfwise dead-letters list --since 2026-01-31T08:00
      shelfwise dead-letters resend --reason processing_failed --dry-run
    """


@command.command("list")
@_filter_options
@kafka_options
@json_option
def list_(limit: int | None, bootstrap_servers: str | None, as_json: bool, **wanted: Any) -> None:
    """List the dead letters that Kafka holds, oldest first within a partition, and count them by reason.

    \b
    Examples:
      shelfwise dead-letters list
      shelfwise dead-letters list --reason empty_title --stage intake
      shelfwise dead-letters list --json | jq -r '.value | @base64d'
    """
    from itertools import islice

    from schemas.events.dead_letter import DeadLetter
    from streams.clients.dead_letters import read_dead_letters
    from streams.clients.render import received_json, received_text

    settings = load_settings(bootstrap_servers)
    screen = console()
    counts: Counter[str] = Counter()
    for received in islice(read_dead_letters(settings, _filter(**wanted)), limit):
        if as_json:
            print_json(received_json(received))
        else:
            screen.print(received_text(received))
        if isinstance(received.content, DeadLetter):
            counts[received.content.reason] += 1
    if not as_json:
        click.echo(_summary(counts) if counts else "no dead letters", err=True)


@command.command("resend")
@_filter_options
@click.option("--all", "everything", is_flag=True, help="Send all of them; required if no filter is given.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events a second at most.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@kafka_options
@json_option
@click.pass_context
def resend_(
    ctx: click.Context,
    /,
    *,
    limit: int | None,
    everything: bool,
    rate: float | None,
    dry_run: bool,
    bootstrap_servers: str | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Send dead letters again, to the topic and partition they came from, or that their key belongs to.

    Key, value and headers are the original's, so do this once the cause is gone: a bug was fixed, a model was
    replaced. The dead letters stay where they are until they expire; what fails again becomes a new one, its
    attempt counted up. An event that became a dead letter several times is sent once, and overtakes no edit that
    came after it.

    \b
    Examples:
      shelfwise dead-letters resend --reason processing_failed --dry-run
      shelfwise dead-letters resend --reason processing_failed --since 2026-01-31T08:00 --rate 50
      shelfwise dead-letters resend --product product-1
      shelfwise dead-letters resend --all --json
    """
    from functools import partial

    from streams.clients.dead_letters import ResendReport, choose, read_dead_letters
    from streams.review.verdicts import newest_verdicts

    filter_ = _filter(**wanted)
    if not filter_ and not everything:
        raise click.UsageError(
            "name which (--reason, --stage, --product, --partition, --since, --until), or give --all"
        )
    settings = load_settings(bootstrap_servers)
    # Read to the end before sending: an event that fails again at once must not be sent twice in one run.
    newest = partial(newest_verdicts, settings)
    choice = choose(read_dead_letters(settings, filter_), settings, newest, limit)
    report = ResendReport(choice.reasons if dry_run else Counter())
    interrupted = not dry_run and _resend(settings, choice, report, rate)
    _tell(choice, report, dry_run=dry_run, interrupted=interrupted, as_json=as_json)
    if report.failed:
        click.echo(f"{report.failed:,} were refused; the first: {report.first_error}", err=True)
    if interrupted:
        ctx.exit(ExitCode.INTERRUPTED)
    if report.failed or report.sent.total() < len(choice.places):
        ctx.exit(ExitCode.FAILED)


def _resend(settings: Settings, choice: Choice, report: ResendReport, rate: float | None) -> bool:
    """Send the chosen letters and count them; return whether it was interrupted."""
    from schemas.topics import PRODUCTS_CHANGED, REVIEWS_DECIDED
    from streams.clients.connect import open_producer
    from streams.clients.dead_letters import Filter, chosen, read_dead_letters, resend
    from streams.outgoing import flush

    producer = open_producer(settings, PRODUCTS_CHANGED, REVIEWS_DECIDED)
    with progress_bar() as bars:
        total = len(choice.places)
        task = bars.add_task("sending again", total=total, note="")
        letters = chosen(read_dead_letters(settings, Filter()), choice.places)
        with until_interrupted() as interrupted:
            resend(bars.track(letters, total, task_id=task), producer, settings, report, rate)
        flush(producer)
    return interrupted.is_set()


def _tell(choice: Choice, report: ResendReport, *, dry_run: bool, interrupted: bool, as_json: bool) -> None:
    import orjson

    missing = len(choice.places) - report.sent.total()
    expired = 0 if interrupted else missing
    if as_json:
        counts = {
            "chosen": len(choice.places),
            "sent": 0 if dry_run else report.sent.total() - report.failed,
            "failed": report.failed,
            "expired": expired,
            "repeated": choice.repeated,
            "foreign": choice.foreign,
            "superseded": choice.superseded,
            "reasons": dict(report.sent),
            "dry_run": dry_run,
        }
        print_json(orjson.dumps(counts))
        return
    said = "would send" if dry_run else "sent"
    click.echo(f"{said} to where they came from: {_summary(report.sent)}")
    for count, what in (
        (choice.repeated, "further dead letters of the same events"),
        (choice.foreign, "dead letters from another topic"),
        (choice.superseded, "verdicts on products that have a newer one"),
        (expired, "dead letters that have expired meanwhile"),
        (missing - expired, "dead letters that were not reached"),
    ):
        if count:
            click.echo(f"skipped {count:,} {what}", err=True)


def _filter(
    *,
    reasons: tuple[str, ...],
    stages: tuple[str, ...],
    keys: tuple[str, ...],
    partitions: tuple[int, ...],
    since: datetime | None,
    until: datetime | None,
) -> Filter:
    from streams.clients.dead_letters import Filter

    return Filter(
        frozenset(reasons),
        frozenset(stages),
        frozenset(map(os.fsencode, keys)),
        frozenset(partitions),
        since,
        until,
    )


def _summary(counts: Counter[str]) -> str:
    by_reason = ", ".join(f"{plain(reason)} {count:,}" for reason, count in counts.most_common())
    return f"{counts.total():,} dead letters" + (f" ({by_reason})" if by_reason else "")
