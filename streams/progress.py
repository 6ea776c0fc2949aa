"""How far intake is with each source partition, as recall learns it from intake's committed offsets.

After a crash, recall reads batches again whose outcomes intake already knows, or that an earlier owner of the
partition sent and whose completions nobody awaits. Deciding these once more would be harmless, but useless.

Ranking does not use it. Ranking remembers no products, so it must decide its log in order and leave nothing out.
If it decided an older event of a product again and then skipped the newer one, the older decision would be the
last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any, Final, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.events.batch import ProductBatch, RecalledBatch
from schemas.topics import PRODUCTS_CHANGED
from streams.settings import Settings

_REFRESH_SECONDS: Final = 1.0
_BROKER_SECONDS: Final = 10.0
_GENERATION: Final = "generation="
_MAX_DIGITS: Final = 19
_log = logging.getLogger(__name__)


def commit_metadata(generation: int | None) -> str:
    """Return the metadata that intake commits with an offset: the generation of its batches."""
    return "" if generation is None else f"{_GENERATION}{generation}"


def committed_generation(metadata: str | None) -> int | None:
    """Return the generation in committed metadata, or ``None`` if intake did not write it."""
    digits = (metadata or "").removeprefix(_GENERATION)
    if not (metadata or "").startswith(_GENERATION) or not digits.isdecimal() or len(digits) > _MAX_DIGITS:
        return None
    return int(digits)


@dataclass(frozen=True, slots=True)
class Mark:
    """Every event before ``offset`` has its outcome; nobody awaits batches of earlier generations."""

    offset: int
    generation: int | None

    def precedes(self, batch: ProductBatch | RecalledBatch) -> bool:
        """Return whether the batch was sent by a later owner than the one that committed this mark."""
        if batch.generation is None:
            return False
        return self.generation is None or batch.generation > self.generation

    def passed(self, batch: ProductBatch | RecalledBatch) -> bool:
        """Return whether nobody needs the batch any more."""
        if batch.generation is None or self.generation is None or batch.generation > self.generation:
            return False
        if batch.generation < self.generation:
            return True
        # A probe has no events, and is always answered.
        return 0 <= last_offset(batch) < self.offset


def last_offset(batch: ProductBatch | RecalledBatch) -> int:
    """Return the greatest offset of the batch's events, or -1 if it has none."""
    return max(
        max((product.offset for product in batch.products), default=-1),
        max((outcome.offset for outcome in batch.settled), default=-1),
    )


class Progress(Protocol):
    """Tells which batches need no work."""

    async def start(self) -> None:
        """Wait until the progress is known."""

    async def passed(self, batch: ProductBatch | RecalledBatch) -> bool:
        """Return whether the batch's outcomes are known, or awaited by nobody."""


class Unknown:
    """Knows no progress: every batch is worked on."""

    async def start(self) -> None:
        """Return at once."""

    async def passed(self, batch: ProductBatch | RecalledBatch) -> bool:  # noqa: ARG002
        """Return ``False``."""
        return False


class SourceProgress:
    """Asks the broker once a second what intake's consumer group has committed; it never joins the group."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic(PRODUCTS_CHANGED)
        self._places = [TopicPartition(self._topic, number) for number in range(settings.partitions)]
        self._consumer: Any = Consumer(settings.observer_config("intake"))
        self._marks: dict[int, Mark] = {}
        self._asking = Lock()
        self._stopped = Event()
        self._known = Event()
        self._thread = Thread(target=self._run, name="shelfwise-progress", daemon=True)

    async def start(self) -> None:
        """Start asking, and wait for the first answer, which the first batches read are compared with."""
        if not self._thread.ident:
            self._thread.start()
        await asyncio.get_running_loop().run_in_executor(None, self._known.wait)

    def close(self) -> None:
        """Stop asking."""
        self._stopped.set()
        self._known.set()
        if self._thread.ident:
            self._thread.join(_BROKER_SECONDS)

    async def passed(self, batch: ProductBatch | RecalledBatch) -> bool:
        """Return whether the batch needs no work; ask again if its generation is newer than the known one."""
        mark = self._marks.get(batch.source_partition)
        if mark is not None and mark.precedes(batch):
            await asyncio.get_running_loop().run_in_executor(None, self._ask)
            mark = self._marks.get(batch.source_partition)
        return mark is not None and batch.source_topic == self._topic and mark.passed(batch)

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self._ask():
                self._known.set()
            self._stopped.wait(_REFRESH_SECONDS)
        self._consumer.close()

    def _ask(self) -> bool:
        with self._asking:
            if self._stopped.is_set():
                return False
            try:
                self._take(self._consumer.committed(self._places, timeout=_BROKER_SECONDS))
            except KafkaException as error:
                _log.warning("how far intake is, is not known: %s", error.args[0].str())
                return False
            return True

    def _take(self, answer: Sequence[Any]) -> None:
        for item in answer:
            if item.error is None and item.offset >= 0:
                self._marks[item.partition] = Mark(item.offset, committed_generation(item.metadata))
