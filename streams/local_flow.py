"""Pass batches from intake to recall, and news of them back, without Kafka, if one process runs all stages.

Through Kafka, a batch takes one more round trip, and the next one leaves only when its completion has come back
too. A batch need not outlive the process: if it is not completed, its events were not committed, and are read and
packed again. Completions still go through Kafka, because the outcome of every event must be found there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

from schemas.events.batch import ProductBatch, RecalledBatch


@dataclass(frozen=True, slots=True)
class ModelDone:
    """The model's work on a batch is over; its decisions are on their way to the broker."""

    source_partition: int
    batch_id: str


@dataclass(frozen=True, slots=True)
class Returned:
    """Recall did not start a batch and will not, because its partition goes to another worker."""

    batch: ProductBatch

    @property
    def source_partition(self) -> int:
        """The partition of its events."""
        return self.batch.source_partition


News = ModelDone | Returned
Take = Callable[[Sequence[ProductBatch]], None]


class LocalFlow:
    """Where intake (in its thread) and the stages of the same process (in the event loop) exchange batches.

    Recall opens the partitions that it owns. Each method belongs to one of the two sides; data that both read is
    changed by only one of them, in atomic steps.
    """

    def __init__(self) -> None:
        self._receiver: tuple[asyncio.AbstractEventLoop, Take] | None = None
        self._open: frozenset[int] = frozenset()
        self._generations: dict[int, int] = {}
        self._news: deque[News] = deque()
        self._heard = Event()

    def assigned(self, partition: int, generation: int | None) -> None:
        """Intake: note a partition and its generation; with ``None``, no news of its batches comes."""
        if generation is None:
            self._generations.pop(partition, None)
        else:
            self._generations[partition] = generation

    def all_revoked(self) -> None:
        """Intake: note that all its partitions were revoked."""
        self._generations.clear()

    def takes(self, partition: int) -> bool:
        """Intake: return whether recall takes batches of a partition here; that may change before they arrive."""
        return partition in self._open

    def hand_over(self, batches: Sequence[ProductBatch]) -> None:
        """Intake: give batches to recall; those of different partitions are worked on together."""
        if self._receiver is None:
            self.give_back(batches)
            return
        loop, take = self._receiver
        # The loop may have ended: then the process is stopping, and the next owner reads the events again.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._deliver, batches, take)

    def await_news(self, seconds: float) -> None:
        """Intake: return when there is news, or after ``seconds``."""
        self._heard.wait(seconds)
        self._heard.clear()

    def news(self) -> list[News]:
        """Intake: return the news since the last call, in order."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def deliver_to(self, take: Take) -> None:
        """Recall: set the function that takes the batches in the running event loop."""
        self._receiver = asyncio.get_running_loop(), take

    def open(self, partition: int) -> None:
        """Recall: take batches of a partition from now on."""
        self._open |= {partition}

    def close(self) -> None:
        """Recall: take no more batches of any partition."""
        self._open = frozenset()

    def awaits(self, batch: ProductBatch | RecalledBatch) -> bool:
        """Recall: return whether intake of this process still waits for a batch that it handed over."""
        return batch.generation is None or self._is_ours(batch)

    def give_back(self, batches: Sequence[ProductBatch]) -> None:
        """Recall: return batches that were not started, so that intake sends them elsewhere."""
        self._tell(map(Returned, batches))

    def decided(self, batch: ProductBatch | RecalledBatch) -> None:
        """Recall or ranking: report that the model's work on a batch is over, if our own intake sent it."""
        if self._is_ours(batch):
            self._tell([ModelDone(batch.source_partition, batch.batch_id)])

    def _tell(self, news: Iterable[News]) -> None:
        self._news.extend(news)
        self._heard.set()

    def _is_ours(self, batch: ProductBatch | RecalledBatch) -> bool:
        return batch.generation is not None and self._generations.get(batch.source_partition) == batch.generation

    def _deliver(self, batches: Sequence[ProductBatch], take: Take) -> None:
        take([batch for batch in batches if batch.source_partition in self._open])
        self.give_back([batch for batch in batches if batch.source_partition not in self._open])
