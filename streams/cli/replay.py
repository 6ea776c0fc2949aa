"""``shelfwise replay``: decide past events again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import json_option, kafka_options, load_settings
from streams.cli.output import print_json, progress_bar
from streams.cli.root import ExitCode
from streams.cli.waiting import until_interrupted

if TYPE_CHECKING:
    from rich.progress import Progress

    from streams.replay.progress_file import ReplayProgress
    from streams.replay.replay import ReplayReport
    from streams.replay.span import Span
    from streams.settings import Settings

DEFAULT_RATE = 200.0


@click.command("replay")
@click.option("--from", "begin", metavar="TIME|OFFSET", help="Where to start; or `beginning`.")
@click.option("--to", "end", metavar="TIME|OFFSET", help="Where to end (exclusive); default: now.")
@click.option("--topic", metavar="NAME", help="The topic to replay; only products.changed.v1 is possible.")
@click.option(
    "--partition",
    "partitions",
    type=click.IntRange(min=0),
    multiple=True,
    help="Replay only this partition. Repeatable.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_RATE,
    show_default=True,
    help="Events a second at most: leave room for live traffic.",
)
@click.option(
    "--progress",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the progress in this file; if the file exists, resume from there.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be replayed.")
@kafka_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    begin: str | None,
    end: str | None,
    topic: str | None,
    partitions: tuple[int, ...],
    rate: float,
    file: Path | None,
    dry_run: bool,
    bootstrap_servers: str | None,
    as_json: bool,
) -> None:
    """Publish product events again, so that today's model and statistics decide them.

    For each product only its newest event is replayed, and only if it lies between --from and --to, so a replay
    never overtakes a newer edit. TIME is when Kafka received the event, such as 2026-01-31T08:00, in local time
    unless it names a zone. OFFSET applies to every partition. A product that a person has already decided waits
    for a verdict again if the replay leaves it to a person again.

    \b
    Examples:
      shelfwise replay --from 2026-01-31T08:00 --dry-run
      shelfwise replay --from 2026-01-31T08:00 --to 2026-02-01 --rate 100
      shelfwise replay --from beginning --progress replay.json
      shelfwise replay --from 120000 --partition 3 --json
    """
    settings = load_settings(bootstrap_servers)
    name = _topic(settings, topic)
    progress = _known(file, name, begin, end, partitions) if file else None
    if progress is None:
        progress = _resolve(settings, name, begin, end, partitions)
    report, interrupted = _replay(settings, progress, rate, None if dry_run else file, dry_run=dry_run)
    _tell(settings, report, as_json=as_json, dry_run=dry_run)
    if report.failed:
        again = f"; a run with --progress {file} goes on with them" if file and not dry_run else ""
        click.echo(f"{report.failed:,} events were refused; the first: {report.first_error}{again}", err=True)
        ctx.exit(ExitCode.FAILED)
    if interrupted:
        ctx.exit(ExitCode.INTERRUPTED)


def _topic(settings: Settings, topic: str | None) -> str:
    from schemas.topics import PRODUCTS_CHANGED

    name = settings.topic(PRODUCTS_CHANGED)
    if topic not in (None, PRODUCTS_CHANGED.name, name):
        raise click.UsageError(f"--topic {topic}: only the events on {name} can be replayed")
    return name


def _known(
    file: Path, topic: str, begin: str | None, end: str | None, partitions: tuple[int, ...]
) -> ReplayProgress | None:
    """Return what is left of the replay recorded in the file, or ``None`` if there is no file."""
    from streams.replay.progress_file import load_progress

    known = load_progress(file)
    if known is None:
        return None
    if known.topic != topic or begin not in (None, known.begin) or end not in (None, known.end):
        given = f"{known.topic} from {known.begin}" + (f" to {known.end}" if known.end else "")
        raise click.UsageError(f"{file} is of a replay of {given}; omit --from and --to, or name another file")
    replayed = sorted(item.partition for item in known.partitions)
    if partitions and sorted(set(partitions)) != replayed:
        given = ", ".join(map(str, replayed))
        raise click.UsageError(f"{file} belongs to partitions {given}; omit --partition, or name another file")
    left = sum(span.last - span.first for span in known.spans)
    click.echo(f"resuming the replay in {file}: at most {left:,} events are left", err=True)
    return known


def _resolve(
    settings: Settings, topic: str, begin: str | None, end: str | None, partitions: tuple[int, ...]
) -> ReplayProgress:
    """Return the replay that the options describe."""
    from contextlib import closing

    from schemas.topics import PRODUCTS_CHANGED
    from streams.clients.connect import open_partition_reader, partition_numbers
    from streams.replay.progress_file import Remaining, ReplayProgress
    from streams.replay.span import parse_bound, resolve

    if begin is None:
        raise click.UsageError("say where to begin: --from TIME|OFFSET, or --from beginning")
    first, last = parse_bound(begin), None if end is None else parse_bound(end)
    with closing(open_partition_reader(settings, PRODUCTS_CHANGED)) as reader:
        there = partition_numbers(reader, settings, PRODUCTS_CHANGED)
        if unknown := set(partitions) - set(there):
            raise click.UsageError(f"--partition {min(unknown)}: {topic} has the partitions 0 to {there[-1]}")
        spans = resolve(reader, topic, sorted(set(partitions)) or there, first, last)
    left = [Remaining(span.partition, span.first, span.last) for span in spans]
    return ReplayProgress(topic=topic, begin=begin, end=end, partitions=left)


def _replay(
    settings: Settings, progress: ReplayProgress, rate: float, file: Path | None, *, dry_run: bool
) -> tuple[ReplayReport, bool]:
    """Run the replay; return the report and whether it was interrupted."""
    from contextlib import closing

    from schemas.topics import PRODUCTS_CHANGED
    from streams.clients.connect import open_partition_reader, open_producer
    from streams.replay.replay import Replay

    producer = None if dry_run else open_producer(settings, PRODUCTS_CHANGED)
    with (
        closing(open_partition_reader(settings, PRODUCTS_CHANGED)) as reader,
        closing(open_partition_reader(settings, PRODUCTS_CHANGED)) as tail,
        progress_bar() as bars,
    ):
        replay = Replay(progress.topic, reader, tail, producer, rate)
        with until_interrupted() as interrupted:
            replay.run(progress.spans, _Watcher(progress, file, bars))
        return replay.flush(), interrupted.is_set()


class _Watcher:
    """Updates the progress bar and the progress file."""

    def __init__(self, progress: ReplayProgress, file: Path | None, bars: Progress) -> None:
        total = sum(span.last - span.first for span in progress.spans)
        self._progress = progress
        self._file = file
        self._bars = bars
        self._task = bars.add_task("replaying", total=total, note="")
        self._next = {item.partition: item.next_offset for item in progress.partitions}
        self._save()

    def scanning(self, span: Span, offset: int) -> None:
        self._bars.update(self._task, note=f"partition {span.partition}: looking for newer edits, {offset:,}")

    def replayed(self, span: Span, next_offset: int) -> None:
        self._bars.update(
            self._task, advance=next_offset - self._next[span.partition], note=f"partition {span.partition}"
        )
        self._next[span.partition] = next_offset
        self._save()

    def _save(self) -> None:
        if self._file is None:
            return
        import msgspec

        from streams.replay.progress_file import save_progress

        left = [
            msgspec.structs.replace(item, next_offset=self._next[item.partition])
            for item in self._progress.partitions
        ]
        save_progress(self._file, msgspec.structs.replace(self._progress, partitions=left))


def _tell(settings: Settings, report: ReplayReport, *, as_json: bool, dry_run: bool) -> None:
    import orjson

    from schemas.topics import PRODUCTS_CHANGED

    counts: dict[str, Any] = report.counts()
    if as_json:
        print_json(orjson.dumps(counts | {"dry_run": dry_run}))
        return
    topic = settings.topic(PRODUCTS_CHANGED)
    rest = ", ".join(f"{name} {counts[name]:,}" for name in ("superseded", "removed", "invalid") if counts[name])
    said = "would replay" if dry_run else "replayed"
    click.echo(
        f"{said} {counts['replayed']:,} of {counts['events']:,} events of {topic}" + (rest and f" ({rest})")
    )
