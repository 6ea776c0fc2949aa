"""Faust as in its documentation: an agent that takes one event, decides it, and sends the decision."""

from __future__ import annotations

import logging
import sys
import tempfile
from typing import Any

import faust

from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW
from tests.benchmarks.throughput.contestants.job import Job, Place
from tests.worker_harness import PARTITIONS


def build_app(place: Place, job: Job, directory: str) -> faust.App:
    """Return the application."""
    app = faust.App(
        f"{place.prefix}plain-faust",
        broker=f"kafka://{place.bootstrap_servers}",
        datadir=directory,
        # The topics already exist.
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        autodiscover=False,
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        # As close to the other contestants' clients as Faust's client allows: large fetches, batches of 1 MB after
        # 2 ms, lz4, acknowledged by all replicas.
        consumer_max_fetch_size=4 << 20,
        producer_linger=0.002,
        producer_max_batch_size=1_000_000,
        producer_compression_type="lz4",
        producer_acks=-1,
    )
    source = app.topic(place.source, key_type=bytes, value_type=bytes)
    names = (place.topic(CATEGORIES_ASSIGNED), place.topic(CATEGORIES_NEEDS_REVIEW))
    outputs = {name: app.topic(name, key_type=bytes, value_type=bytes) for name in names}

    async def classify(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            decided = job.decide([(message.partition, message.offset, event.key, event.value)])[0]
            await outputs[decided.topic].send(key=decided.key, value=decided.value, headers=decided.headers)

    app.agent(source, name="classify")(classify)
    return app


def main() -> None:
    """Work until killed."""
    place = Place.from_arguments()
    with tempfile.TemporaryDirectory() as directory:
        app = build_app(place, Job(place), directory)
        worker = faust.Worker(app, loglevel=logging.WARNING, quiet=True, redirect_stdouts=False)
        sys.exit(worker.execute_from_commandline())


if __name__ == "__main__":
    main()
