"""``shelfwise kafka``: run a local broker."""

from __future__ import annotations

from pathlib import Path

import click

from schemas.errors import KafkaUnavailable
from streams.cli.options import DIRECTORY


@click.command("kafka")
@click.option("--port", type=click.IntRange(1, 65_535), default=9092, show_default=True)
@click.option(
    "--dir",
    "directory",
    type=DIRECTORY,
    default=Path("var/kafka"),
    show_default=True,
    help="Where data and log stay between runs.",
)
def command(port: int, directory: Path) -> None:
    """Run a local Apache Kafka, one node, with the topics created, until Ctrl-C.

    For trials on one machine: it listens on loopback only, without authentication. It needs Java 17 or newer, and
    Maven the first time.

    \b
    Examples:
      shelfwise kafka
      shelfwise kafka --port 19092 --dir /tmp/kafka
    """
    from streams.cli.options import load_settings
    from streams.cli.waiting import wait_for_signal
    from streams.kafka.local import LocalKafka
    from streams.kafka.topics import create_topics

    click.echo("starting Kafka ...", err=True)
    with LocalKafka(directory.absolute(), port=port) as broker:
        settings = load_settings(broker.bootstrap_servers)
        create_topics(settings.kafka, partitions=settings.partitions, prefix=settings.topic_prefix)
        click.echo(f"Kafka answers at {broker.bootstrap_servers}; its log is {broker.log_file}. Elsewhere:")
        click.echo(f"  export SHELFWISE_KAFKA__BOOTSTRAP_SERVERS={broker.bootstrap_servers}")
        click.echo("Ctrl-C stops it.")
        wait_for_signal(lambda: broker.alive)
        if not broker.alive:
            raise KafkaUnavailable("the local Kafka has ended by itself")
        click.echo("stopping Kafka ...", err=True)
