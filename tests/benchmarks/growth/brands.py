"""Measure learned brands: their cost in recall, and the memory of a worker that knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


def by_brand(
    bundle: Path, counts: Iterable[int], products: int, seed: int, say: Callable[[str], None]
) -> Iterator[BrandPoint]:
    """Yield a point for each number of brands, in rising order, with a changelog on a separate Kafka.

    Raises :class:`schemas.errors.KafkaUnavailable` if that Kafka does not start.
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
            # A process for each point: otherwise memory freed by one point would hold the next point's brands.
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                yield process.submit(measure, settings, bundle, count, products, seed).result()
