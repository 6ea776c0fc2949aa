"""Brands that the stream has learned of: what they cost recall, and the memory of the worker that knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from schemas.taxonomy import Taxonomy
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from streams.kafka.topics import create_topics
from streams.settings import Settings
from streams.tables import changelog_topics
from tests.benchmarks.growth.brand_cost import BrandPoint, measure
from tests.benchmarks.growth.brand_records import records, write
from tests.benchmarks.growth.say import Say


def by_brand(bundle: Path, counts: Iterable[int], products: int, seed: int, say: Say) -> Iterator[BrandPoint]:
    """Yield a point for each count, rising, of brands in a changelog on a Kafka of its own.

    Raises :class:`schemas.errors.KafkaUnavailable` where that does not start.
    """
    taxonomy = Taxonomy.from_json_bytes((bundle / "taxonomy.json").read_bytes())
    leaves = [taxonomy.ids[node] for node in taxonomy.is_leaf.nonzero()[0]]
    with LocalKafka() as broker:
        settings = Settings(kafka=KafkaConnection(bootstrap_servers=broker.bootstrap_servers))
        create_topics(settings.kafka, partitions=settings.partitions, topics=changelog_topics(settings))
        brands, written = records(leaves, settings.partitions, seed), 0
        for count in counts:
            say(f"{count:,} brands")
            write(settings, islice(brands, count - written))
            written = count
            # Each in a process of its own: memory that another point gave back would hold the next one's brands.
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                yield process.submit(measure, settings, bundle, count, products, seed).result()
