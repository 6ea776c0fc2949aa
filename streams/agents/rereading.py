"""Which messages of a stage's log may have been read before, by this worker before a crash or by another one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import faust

from schemas.errors import InvalidEvent
from schemas.events.dead_letter import Reason

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogPlace:
    """The place of a message in Kafka."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def of(cls, event: Any) -> LogPlace:
        """Return the place of a Faust event."""
        message = event.message
        return cls(message.topic, message.partition, message.offset)

    def expect(self, partition: int) -> None:
        """Raise :class:`InvalidEvent` if a batch read here says that it belongs to another partition."""
        if partition != self.partition:
            raise InvalidEvent(Reason.OUT_OF_BOUNDS, f"a batch of partition {partition} came on {self.partition}")

    def __str__(self) -> str:
        return f"{self.topic} [{self.partition}] offset {self.offset}"


class Rereading:
    """Remembers where each partition ended when it was assigned: messages beyond were never read before."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}

    def follow(self, app: faust.App, topic: str) -> None:
        """Ask for the ends at each assignment, because other workers may have read the partitions meanwhile."""

        async def assigned(_app: object, places: Any, **_: object) -> None:
            wanted = [place for place in places if place.topic == topic]
            self.begin({})
            try:
                ends = await app.consumer.highwaters(*wanted) if wanted else {}
            except Exception as error:  # whatever aiokafka raises; a rebalance must go on
                _log.warning("the ends of %s are not known: %s", topic, error)
            else:
                self.begin({place.partition: end for place, end in ends.items()})

        app.on_partitions_assigned.connect(assigned)

    def begin(self, ends: Mapping[int, int]) -> None:
        """Use these ends, by partition, in place of the earlier ones."""
        self._ends = dict(ends)

    def possible(self, place: LogPlace) -> bool:
        """Return whether the message may have been read before; true if the partition's end is unknown."""
        end = self._ends.get(place.partition)
        return end is None or place.offset < end
