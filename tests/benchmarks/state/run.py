"""The measurements, one after the other, on a separate Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Producer

from schemas.topics import PRODUCTS_BATCHED
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from streams.kafka.topics import create_topics
from streams.outgoing import Outgoing
from streams.settings import Settings
from streams.tables import changelog_name, changelog_topics
from tests.benchmarks.state.processes import Measured, bytes_on_disk
from tests.benchmarks.state.records import Size, records
from tests.benchmarks.throughput.about import machine

Say = Callable[[str], None]
_PROBES = 5_000
_WRITING_SECONDS = 5.0
# Faust's own recovery is only measured with up to this number of products.
_STOCK_KEYS = 200_000


class Bench:
    """Changelogs of a given size, and processes that recover from them; results are collected in ``figures``."""

    def __init__(self, broker: LocalKafka, size: Size, seed: int, directory: Path, say: Say) -> None:
        self._broker = broker
        self._size = size
        self._seed = seed
        self._directory = directory
        self._tell = say
        self.figures: dict[str, Any] = {
            "machine": machine(),
            "versions": {name: version(name) for name in ("faust-streaming", "rocksdict", "confluent-kafka")},
            "products": size.products,
            "brands": size.brands,
            "stores": size.stores,
            "partitions": size.partitions,
            "records": size.records,
        }

    def settings(self, name: str, **overrides: Any) -> Settings:
        """Return the settings of a process; ``name`` is its directory."""
        return Settings(
            kafka=KafkaConnection(bootstrap_servers=self._broker.bootstrap_servers),
            topic_prefix="state.",
            partitions=self._size.partitions,
            data_dir=self._directory / name,
            session_timeout_seconds=6,
            **overrides,
        )

    def note(self, name: str, **figures: Any) -> None:
        """Store figures, and show them."""
        self.figures[name] = figures
        self._tell(f"{name}: {orjson.dumps(figures).decode()}")

    def fill(self) -> None:
        """Write the changelogs."""
        settings = self.settings("fill")
        create_topics(settings.kafka, partitions=settings.partitions, prefix=settings.topic_prefix)
        create_topics(settings.kafka, partitions=settings.partitions, topics=changelog_topics(settings))
        producer = Producer(settings.kafka.producer_config({"linger.ms": 50, "batch.size": 1 << 20}))
        began, total, failures = time.monotonic(), 0, []

        def arrived(error: object, _message: object) -> None:
            if error is not None:
                failures.append(error)

        topics: dict[str, str] = {}
        for table, partition, key, value in records(self._size, self._seed):
            topic = topics.setdefault(table, changelog_name(settings, table))
            total += len(key) + len(value)
            Outgoing(topic, key, value, [], partition).produce_in_turn(producer, arrived)
            producer.poll(0)
        producer.flush()
        if failures:
            raise RuntimeError(f"{len(failures)} records did not arrive: {failures[0]}")
        self.note(
            "changelogs",
            key_and_value_bytes=total,
            broker_disk_bytes=bytes_on_disk(self._broker.directory / "data"),
            fill_seconds=round(time.monotonic() - began, 1),
        )

    def disk(self) -> None:
        """Measure a store on disk: built from the changelog, restarted after a clean stop, and after a kill."""
        settings = self.settings("disk", table_store="rocksdict://")
        with Measured(settings, "tables") as process:
            figures = process.wait_for("settled_seconds")
            self.note("disk_empty_store", **figures, store_bytes=bytes_on_disk(settings.data_dir))
            self.note("disk_probe", **self._probe(settings, process))
            process.stop()
            self.note("disk_clean_stop", **process.wait_for("stopped_seconds"))
        with Measured(settings, "tables") as process:
            figures = process.wait_for("settled_seconds")
            self.note("disk_after_clean_stop", **figures, store_bytes=bytes_on_disk(settings.data_dir))
            self._order(settings, process, endless=True)
            process.wait_for("writing")
            time.sleep(_WRITING_SECONDS)
            process.kill()
        with Measured(settings, "tables") as process:
            self.note("disk_after_kill", **process.wait_for("settled_seconds"))

    def memory(self) -> None:
        """Measure a store in memory."""
        settings = self.settings("memory", table_store="memory://")
        with Measured(settings, "tables") as process:
            before = process.wait_for("started")["resident_bytes"]
            self.note("memory", **process.wait_for("settled_seconds"), resident_bytes_before=before)
            self.note("memory_probe", **self._probe(settings, process))
            process.stop()

    def stock(self) -> None:
        """Measure Faust's own recovery, into the same kind of store."""
        if self._size.products > _STOCK_KEYS:
            return
        with Measured(self.settings("stock", table_store="rocksdict://"), "stock") as process:
            self.note("disk_empty_store_recovered_by_faust", **process.wait_for("settled_seconds"))

    def view(self) -> None:
        """Measure reading the statistics of all partitions, as each worker does."""
        with Measured(self.settings("view"), "view") as process:
            before = process.wait_for("started")["resident_bytes"]
            self.note(
                "statistics_view",
                **process.wait_for("caught_up_seconds"),
                resident_bytes_before=before,
                keys=self._size.brands + self._size.stores,
            )

    def takeover(self, replicas: int) -> None:
        """Kill one of two workers, and measure what the other has to read, with standbys or without."""
        name = f"takeover-{replicas}"
        one, other = (
            self.settings(f"{name}-{number}", table_store="rocksdict://", table_standby_replicas=replicas)
            for number in (1, 2)
        )
        with Measured(one, "tables") as first:
            first.wait_for("settled_seconds")
            with Measured(other, "tables") as second:
                second.wait_for("settled_seconds")
                second.wait_for("standbys_ready_seconds")
                settled = len([line for line in second.said if "settled_seconds" in line])
                first.kill()
                began = time.monotonic()
                figures = second.wait_for("settled_seconds", settled + 1)
                self.note(
                    f"takeover_with_{replicas}_standbys",
                    **figures,
                    seconds_from_kill=round(time.monotonic() - began, 2),
                    standbys=second.wait_for("standbys_ready_seconds"),
                )

    def _probe(self, settings: Settings, process: Measured) -> dict[str, Any]:
        self._order(settings, process, endless=False)
        return process.wait_for("probed", 2)

    def _order(self, settings: Settings, process: Measured, *, endless: bool) -> None:
        """Send two orders for a partition to a process: the first warms up, the second is measured."""
        producer = Producer(settings.kafka.producer_config())
        order = {
            "process": process.process_id,
            "products": self._size.products,
            "count": _PROBES,
            "endless": endless,
        }
        for _ in range(2):
            producer.produce(settings.topic(PRODUCTS_BATCHED), orjson.dumps(order), partition=0)
        producer.flush()
