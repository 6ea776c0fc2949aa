"""``shelfwise topics``: create the topics."""

from __future__ import annotations

import click

from streams.cli.options import kafka_options, load_settings


@click.group("topics")
def command() -> None:
    """Create the topics.

    \b
    Examples:
      shelfwise topics create
    """


@command.command("create")
@click.option("--partitions", type=click.IntRange(1, 10_000), help="In place of SHELFWISE_PARTITIONS.")
@click.option("--replication-factor", type=click.IntRange(1, 10), help="In place of SHELFWISE_REPLICATION_FACTOR.")
@kafka_options
def create(partitions: int | None, replication_factor: int | None, bootstrap_servers: str | None) -> None:
    """Create the topics that are missing; existing ones are left as they are, differences are reported.

    \b
    Examples:
      shelfwise topics create
      shelfwise topics create --partitions 32 --replication-factor 3
    """
    from streams.clients.connect import require_address
    from streams.kafka.topics import create_topics

    settings = load_settings(bootstrap_servers, partitions=partitions, replication_factor=replication_factor)
    require_address(settings)
    report = create_topics(
        settings.kafka,
        partitions=settings.partitions,
        replication_factor=settings.replication_factor,
        prefix=settings.topic_prefix,
    )
    for name in report.created:
        click.echo(f"created  {name}")
    for name in report.existing:
        click.echo(f"existing {name}")
    for difference in report.differences:
        click.echo(f"note: {difference}", err=True)
