"""The job that all contestants but ours share: from the bytes of an event to the message with its decision."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from threadpoolctl import threadpool_limits

from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import encode
from schemas.events.dead_letter import Headers
from schemas.events.decision import CategoryAssigned, Decision
from schemas.events.position import SourcePosition
from schemas.events.product import decode_product
from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, PRODUCTS_CHANGED, Topic
from streams.kafka.connection import KafkaConnection
from workers.bundle.bundle import load_bundle
from workers.classify import decide
from workers.statistics import NoStatistics

Source = tuple[int, int, bytes | None, bytes]
"""The partition, offset, key and value of an event."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, ready to send: CloudEvents headers and a JSON value, like ours."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contestant works; its program gets this as arguments."""

    bootstrap_servers: str
    prefix: str
    bundle: Path

    @classmethod
    def from_arguments(cls) -> Self:
        """Parse the command line arguments."""
        servers, prefix, bundle = sys.argv[1:4]
        return cls(servers, prefix, Path(bundle))

    def arguments(self) -> list[str]:
        """Return the command line arguments."""
        return [self.bootstrap_servers, self.prefix, str(self.bundle)]

    @property
    def connection(self) -> KafkaConnection:
        """The connection to Kafka."""
        return KafkaConnection(bootstrap_servers=self.bootstrap_servers)

    @property
    def source(self) -> str:
        """The topic of product events."""
        return self.topic(PRODUCTS_CHANGED)

    def topic(self, topic: Topic) -> str:
        """Return the full name of a topic."""
        return self.prefix + topic.name

    def producer_config(self) -> dict[str, Any]:
        """Return the producer settings of all contestants, including ours: idempotent, lz4, 2 ms of linger."""
        return self.connection.producer_config()

    def consumer_config(self, group: str) -> dict[str, Any]:
        """Return every contestant's consumer settings: large fetches, manual commits, from the earliest offset."""
        return self.connection.consumer_config(f"{self.prefix}{group}")


class Job:
    """Decides events with the model in this thread only, without learning."""

    def __init__(self, place: Place) -> None:
        self._source = place.source
        self._topics = {
            True: place.topic(CATEGORIES_ASSIGNED),
            False: place.topic(CATEGORIES_NEEDS_REVIEW),
        }
        self._bundle = load_bundle(place.bundle)
        threadpool_limits(1)
        self._statistics = NoStatistics()

    def decide(self, sources: Sequence[Source]) -> list[Decided]:
        """Decide a batch, in order."""
        batch = [
            (decode_product(value, key), SourcePosition(self._source, partition, offset))
            for partition, offset, key, value in sources
        ]
        return [self._decided(decision) for decision in decide(self._bundle, batch, self._statistics)]

    def _decided(self, decision: Decision) -> Decided:
        assigned = isinstance(decision, CategoryAssigned)
        kind = EventType.CATEGORY_ASSIGNED if assigned else EventType.CATEGORY_NEEDS_REVIEW
        attributes = headers(kind, decision.decision_id, subject=decision.product_id)
        return Decided(self._topics[assigned], decision.product_id.encode(), encode(decision), attributes)
