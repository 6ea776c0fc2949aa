"""Measure how soon consumers get a verdict as a decision: ``python -m tests.benchmarks.verdict_delay``."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.events.codec import encode
from schemas.events.product import decode_product
from schemas.events.review import ReviewDecided
from schemas.topics import REVIEWS_DECIDED
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from tests.benchmarks.throughput.events import Event, generate
from tests.benchmarks.throughput.figures import percentile
from tests.benchmarks.throughput.latency import await_decisions
from tests.benchmarks.throughput.run_topics import RunTopics, run_topics
from tests.benchmarks.throughput.schedule import Schedule
from tests.benchmarks.throughput.tree import bundle_on
from tests.worker_harness import wait_until
from workers.bundle.taxonomy_file import load_taxonomy

_MODELS = Path("var/throughput")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--nodes", default=5_595, show_default=True, help="Nodes of the tree.")
@click.option("--verdicts", default=200, show_default=True, type=click.IntRange(1), help="Products to judge.")
@click.option("--rate", default=5.0, show_default=True, help="Verdicts a second.")
def main(nodes: int, verdicts: int, rate: float) -> None:
    """Publish products and then a verdict on each; print the ms until Kafka has the decision that repeats it."""
    bundle = bundle_on(nodes, _MODELS).resolve()
    category = load_taxonomy(bundle).ids[-1]
    with tempfile.TemporaryDirectory(prefix="shelfwise-verdicts-") as made, LocalKafka() as broker:
        connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
        with run_topics(connection, "verdicts.", bundle, Path(made)) as topics:
            late = _measure(topics, generate(7, verdicts), Schedule(rate, verdicts), category)
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    found = {name: percentile(late, share) for name, share in shares.items()}
    click.echo(orjson.dumps({"verdicts": verdicts, "decided": len(late), "rate": rate} | found).decode())


def _measure(topics: RunTopics, events: list[Event], schedule: Schedule, category: str) -> NDArray[np.float64]:
    """Return for each verdict that became a decision how late that is, in ms, float64 (n,)."""
    judged = [(key, _verdict(key, value, category)) for key, value in events]
    with topics.installation.worker() as worker:
        topics.publish(events)
        await_decisions(topics, len(events))
        wait_until(lambda: worker.metric("shelfwise_learning_unread_messages") == 0, "all decisions are learned")
        start, _ = topics.publish_on_schedule(schedule, judged, REVIEWS_DECIDED)
        found = await_decisions(topics, len(events)).appended
    numbers = np.array([number for number, (key, _) in enumerate(events) if key in found], np.int64)
    appended = np.array([found[events[number][0]] for number in numbers], np.float64)
    return schedule.latencies(numbers, appended, start)


def _verdict(key: bytes, value: bytes, category: str) -> bytes:
    product = decode_product(value, key)
    verdict = ReviewDecided(
        review_id=f"review of {product.product_id}",
        product_id=product.product_id,
        category_id=category,
        reviewer="benchmark",
        decided_at=datetime.now(UTC),
        title=product.title,
    )
    return encode(verdict)


if __name__ == "__main__":
    main()
