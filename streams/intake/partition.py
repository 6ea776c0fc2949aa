"""What intake holds of one source partition: events that were read but not packed, and batches in flight."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from streams.intake.packer import PackedBatch, SourceEvent, pack
from streams.intake.window import Window

# Keeps a batch of large events far below the topic's largest message (schemas.topics).
MAX_BATCH_BYTES: Final = 2_097_152
# Together with the window, this bounds the memory that a partition takes.
MAX_BACKLOG_BYTES: Final = 8_388_608
# About as much of a backlog as one fetch delivers: a pause throws away what does not fit in here.
_BACKLOG_BATCHES: Final = 32
# Limits how long stuck batches hold up those behind them, while the window has room, and other partitions.
_PATIENCE_SECONDS: Final = 1.0
_PATIENCE_WITH_OTHERS_SECONDS: Final = 0.25


@dataclass(slots=True)
class PartitionIntake:
    """The state of one partition, which packs batches as its window allows.

    ``reading`` says whether the consumer should deliver more. ``owned`` becomes false when another worker takes
    over, or when this state is replaced.
    """

    topic: str
    partition: int
    batch_products: int
    window: Window
    next_offset: int | None = None
    generation: int | None = None
    reading: bool = True
    owned: bool = True
    _backlog: deque[SourceEvent] = field(default_factory=deque)
    _bytes: int = 0
    _held_since: float = 0.0
    _dropped: bool = False

    def was_recreated(self, offset: int) -> bool:
        """Return whether ``offset`` is below everything that is held: the topic was recreated or reset."""
        processed = self.processed_offset
        return processed is not None and offset < processed

    def add(self, event: SourceEvent) -> bool:
        """Add the next event, and return ``True``; ignore an event that is already held, and return ``False``."""
        if self.next_offset is not None and event.offset < self.next_offset:
            return False
        if not self._backlog:
            self._held_since = self.window.clock()
        self._backlog.append(event)
        self._bytes += event.size
        self.next_offset = event.offset + 1
        return True

    def drop_backlog(self) -> None:
        """Drop events that are not packed; they are not committed, so the next owner reads them again."""
        if self._backlog:
            self.next_offset = self._backlog[0].offset
            self._dropped = True
        self._backlog.clear()
        self._bytes = 0

    @property
    def idle(self) -> bool:
        """Whether no events and no batches are held."""
        return not self._backlog and not len(self.window)

    @property
    def caught_up(self) -> bool:
        """Whether every event that the consumer delivered has its outcome."""
        return self.idle and not self._dropped

    @property
    def overfull(self) -> bool:
        """Whether reading must stop: in the end, this is what slows the feeds' events down to our pace."""
        return self._bytes >= MAX_BACKLOG_BYTES or len(self._backlog) >= _BACKLOG_BATCHES * self.batch_products

    @property
    def hungry(self) -> bool:
        """Whether reading may go on; well below ``overfull``, because each pause throws prefetched events away."""
        return self._bytes < MAX_BACKLOG_BYTES // 2 and len(self._backlog) < 2 * self.batch_products

    @property
    def processed_offset(self) -> int | None:
        """The next offset to process: all events before it have their outcome; ``None`` while unknown."""
        oldest = self.window.oldest
        if oldest is not None:
            return oldest.batch.first_offset
        return self._backlog[0].offset if self._backlog else self.next_offset

    @property
    def oldest_timestamp_ms(self) -> int | None:
        """The Kafka timestamp of the oldest event held that has no outcome yet, in milliseconds."""
        oldest = self.window.oldest
        if oldest is not None:
            return oldest.batch.first_timestamp_ms
        return self._backlog[0].timestamp_ms if self._backlog else None

    @property
    def must_send(self) -> bool:
        """Whether a batch is to leave whatever is in flight, because it is full or has waited long enough."""
        if not self._backlog or self.window.full:
            return False
        if len(self._backlog) >= self.batch_products or self._bytes >= MAX_BATCH_BYTES:
            return True
        patience = _PATIENCE_SECONDS if self.window.at_work else _PATIENCE_WITH_OTHERS_SECONDS
        return self.window.clock() - self._held_since >= patience

    def next_batch(self, most: int | None = None, *, joins: bool = True) -> PackedBatch | None:
        """Pack the next batch if one is to be sent now; ``most`` limits its number of events.

        A batch that is not full waits up to a second while another is worked on, and fills meanwhile (after
        Nagle's algorithm, RFC 896). So batches are small when there is little to do and large when there is much.
        It also waits up to a quarter of a second for other partitions, unless it ``joins`` the batches that leave
        now.
        """
        if not self._backlog or self.window.full:
            return None
        if most is not None:
            return pack(self.topic, self.partition, self._take(most))
        if self.must_send or (joins and not self.window.at_work):
            return pack(self.topic, self.partition, self._take(self.batch_products))
        return None

    def _take(self, most: int) -> list[SourceEvent]:
        events: list[SourceEvent] = []
        taken = 0
        while self._backlog and len(events) < most:
            size = self._backlog[0].size
            if events and taken + size > MAX_BATCH_BYTES:
                break
            events.append(self._backlog.popleft())
            taken += size
        self._bytes -= taken
        self._held_since = self.window.clock()
        return events
