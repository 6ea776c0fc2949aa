"""Run the demo from start to end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from rich.console import Console

from schemas.topics import PRODUCTS_CHANGED, TOPICS
from streams.clients.connect import open_producer, open_reader
from streams.clients.subscriber import OUTPUTS, Subscriber
from streams.demo.catalogue import Catalogue
from streams.demo.feeding import DemoFeed, wait_for
from streams.demo.model import fitted
from streams.demo.scoreboard import Scoreboard
from streams.demo.summary import next_steps, summary_table, while_running
from streams.demo.view import View
from streams.demo.worker_process import WorkerProcess
from streams.kafka.cluster import Cluster, open_cluster
from streams.kafka.topics import create_topics
from streams.settings import Settings
from workers.progress import Progress

# The demo must run on a laptop: with few partitions there are fewer tables to recover.
PARTITIONS: Final = 4
_SETTLE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Options:
    """``directory`` keeps the catalogue and model; ``rate`` is events per second; ``seconds`` limits the feed."""

    directory: Path
    rate: float
    seconds: float
    keep_running: bool


@dataclass(frozen=True, slots=True)
class Stages:
    """Callbacks from the command line: load the products, show progress, and wait for Ctrl-C."""

    catalogue: Callable[[], Catalogue]
    progress: Callable[[], AbstractContextManager[Progress]]
    wait_for_operator: Callable[[], None]


def run_demo(settings: Settings, options: Options, stages: Stages, console: Console) -> bool:
    """Run the demo, stop everything that was started, and return whether every event got its outcome.

    Raises :class:`schemas.errors.ShelfwiseError` if a part is not available.
    """
    console.print("[bold]1/4[/] Kafka: the one in the settings, else a container, else a local one ...")
    with open_cluster(settings.kafka) as cluster:
        console.print(f"    {cluster.how} Kafka at {cluster.bootstrap_servers}")
        console.print("[bold]2/4[/] the products ...")
        catalogue = stages.catalogue()
        console.print(
            f"    {catalogue.source}: {len(catalogue.training):,} products to learn from, {len(catalogue.feed):,}"
            f" to feed, a tree of {len(catalogue.taxonomy):,} nodes"
        )
        console.print("[bold]3/4[/] the model ...")
        with stages.progress() as progress:
            bundle, kept = fitted(catalogue, options.directory, progress)
        console.print(f"    {'kept from before' if kept else 'fitted'}: {bundle}")
        with _apart(settings, cluster, options.directory, bundle) as ready:
            return _stream(ready, options, stages, catalogue, console)


@contextmanager
def _apart(settings: Settings, cluster: Cluster, directory: Path, bundle: Path) -> Iterator[Settings]:
    """Yield settings with topics and tables of the demo's own, which are removed at the end."""
    # The user's cluster may have real topics; one that the demo started has no others.
    prefix = f"shelfwise-demo-{uuid4().hex[:8]}." if cluster.how == "configured" else ""
    tables = directory / f"tables-{uuid4().hex[:8]}"
    changes = {
        "kafka": cluster.connection,
        "bundle": bundle.absolute(),
        "data_dir": tables.absolute(),
        "partitions": PARTITIONS,
        "topic_prefix": prefix,
    }
    create_topics(cluster.connection, partitions=PARTITIONS, prefix=prefix)
    try:
        yield settings.model_copy(update=changes)
    finally:
        shutil.rmtree(tables, ignore_errors=True)
        if prefix:
            _delete_topics(cluster, prefix)


def _delete_topics(cluster: Cluster, prefix: str) -> None:
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    admin = AdminClient(cluster.connection.client_config())
    # The topics in our table, and those that Faust created with the same prefix for its tables and groups.
    names = {prefix + topic.name for topic in TOPICS}
    names |= {name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)}
    for future in admin.delete_topics(sorted(names)).values():
        future.exception(timeout=10)


def _stream(settings: Settings, options: Options, stages: Stages, catalogue: Catalogue, console: Console) -> bool:
    console.print("[bold]4/4[/] the worker ...")
    with WorkerProcess(settings, options.directory / "worker.log") as worker:
        with console.status("starting") as status:
            worker.wait_until_ready(lambda missing: status.update(f"waiting for: {missing or 'its listener'}"))
        console.print(f"    ready: {worker.url}/metrics, /healthz, /readyz")
        board = Scoreboard({item.product.product_id: item for item in catalogue.feed}, catalogue.taxonomy)
        producer = open_producer(settings, PRODUCTS_CHANGED)
        products = [item.product for item in catalogue.feed]
        feed = DemoFeed(producer, settings.topic(PRODUCTS_CHANGED), products, options.rate, options.seconds)
        whole = _follow(settings, worker, feed, board, console)
        console.print(summary_table(board, feed.published))
        if options.keep_running:
            servers = settings.kafka.bootstrap_servers or ""
            console.print(while_running(servers, settings, worker.url), soft_wrap=True)
            console.print("Ctrl-C ends it.")
            stages.wait_for_operator()
        console.print(next_steps(settings.bundle, worker.log), soft_wrap=True)
    return whole


def _follow(
    settings: Settings, worker: WorkerProcess, feed: DemoFeed, board: Scoreboard, console: Console
) -> bool:
    """Show the stream until every published event has its outcome; Ctrl-C ends the feed early."""
    consumer = open_reader(settings, OUTPUTS, from_beginning=True)
    subscriber = Subscriber(consumer, settings)
    try:
        with View(board, console, f"metrics: {worker.url}/metrics   Ctrl-C ends the feed") as view:

            def turn(note: str) -> None:
                board.add(subscriber.poll(_POLL_SECONDS), time.monotonic())
                view.show(feed.published, note)
                worker.check()
                if feed.failure:
                    raise feed.failure

            feed.start(board)
            try:
                while feed.running:
                    turn("feeding")
            except KeyboardInterrupt:
                feed.stop()
            return wait_for(
                lambda: board.settled >= feed.published,
                _SETTLE_SECONDS,
                lambda: turn("waiting for the last outcomes"),
            )
    finally:
        feed.stop()
        consumer.close()
