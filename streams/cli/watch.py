"""``shelfwise watch``: follow decisions and dead letters."""

from __future__ import annotations

import click

from streams.cli.options import json_option, kafka_options, load_settings
from streams.cli.output import console, forsake_standard_output, print_json
from streams.cli.root import ExitCode

_KINDS = ("assigned", "backed_off", "needs_review", "dead_letter", "withdrawn", "unreadable")


@click.command("watch")
@click.option("--from-beginning", is_flag=True, help="Start with the oldest message in Kafka, not the next.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after this many messages.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop when nothing has arrived for this long; exit status 1 if --limit was not reached.",
)
@click.option("--only", type=click.Choice(_KINDS), multiple=True, help="Show this kind. Repeatable.")
@kafka_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    from_beginning: bool,
    limit: int | None,
    timeout: float | None,
    only: tuple[str, ...],
    bootstrap_servers: str | None,
    as_json: bool,
) -> None:
    """Follow decisions and dead letters as they come, until Ctrl-C.

    "withdrawn" says that a product is not, or no longer, on a topic: it was decided on the other one, or removed.

    It joins no consumer group and commits nothing, so it does not affect workers. If its output is no longer read,
    as when piped to head, it exits with status 0.

    \b
    Examples:
      shelfwise watch
      shelfwise watch --from-beginning --only needs_review --only dead_letter
      shelfwise watch --json --limit 100 --timeout 30 | jq .decision.category.path
    """
    from streams.clients.connect import open_reader
    from streams.clients.render import kind_of, received_json, received_text
    from streams.clients.subscriber import OUTPUTS, Subscriber

    settings = load_settings(bootstrap_servers)
    consumer = open_reader(settings, OUTPUTS, from_beginning=from_beginning)
    screen = console()
    shown = 0
    try:
        for received in Subscriber(consumer, settings).until_silent(timeout):
            if only and kind_of(received) not in only:
                continue
            if as_json:
                print_json(received_json(received))
            else:
                screen.print(received_text(received))
            shown += 1
            if shown == limit:
                return
    except BrokenPipeError:  # the reader has seen enough
        forsake_standard_output()
        return
    finally:
        consumer.close()
    if limit is not None:
        click.echo(f"only {shown:,} of {limit:,} messages arrived", err=True)
        ctx.exit(ExitCode.FAILED)
