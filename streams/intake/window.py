"""The micro-batches of one partition that are in flight, and the offset up to which everything is done."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import msgspec

from schemas.events.batch import EventOutcome, ProductBatch
from streams.intake.packer import PackedBatch
from streams.intake.shipment import InFlight, Shipment

MAX_TIMEOUT_SECONDS: Final = 600.0
_FIRST_BACKOFF_SECONDS: Final = 0.5
_MAX_BACKOFF_SECONDS: Final = 30.0


@dataclass(slots=True)
class Window:
    """At most ``limit`` batches of one partition in flight; pure bookkeeping that sends nothing.

    A batch whose completion does not arrive within ``timeout_seconds`` is due again, the next time after twice as
    long, and so on up to 10 minutes. It is not due while completions of other batches arrive, because it may be
    queued behind them; that cannot last, since no more than the window can arrive. ``clock`` returns seconds that
    never go back.

    After ``attempts`` a batch is split into halves, and these are split again each time they are due, until the
    event that keeps the others from being done is alone. That event is given up after as many attempts. While
    nothing else of the partition comes through either, the stages themselves are probably down: then a batch is
    split only after twice as many attempts, and no event is ever given up. To tell the two cases apart even if
    nothing else is sent, or recall alone settles everything, a :meth:`probe` is sent behind a batch that is sent
    again after that many attempts.
    """

    limit: int
    timeout_seconds: float
    clock: Callable[[], float]
    attempts: int = 3
    _batches: deque[InFlight] = field(default_factory=deque)
    _shipments: dict[str, Shipment] = field(default_factory=dict)
    _sequence: int = 0
    _probe: tuple[str, int] | None = None
    _probe_is_local: bool = False
    _suspect: ProductBatch | None = None
    _completed_at: float = -math.inf

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def full(self) -> bool:
        """Whether no further batch may be opened."""
        return len(self._batches) >= self.limit

    @property
    def waiting(self) -> int:
        """The number of batches whose completion is awaited."""
        return sum(item.outcomes is None for item in self._batches)

    @property
    def at_work(self) -> bool:
        """Whether the stages may be working on a batch; a decided one only awaits the broker."""
        return any(not shipment.decided for shipment in self._shipments.values())

    @property
    def through_kafka(self) -> bool:
        """Whether a shipment that was sent through Kafka is awaited in its first attempt."""
        return any(not shipment.local and shipment.attempt == 1 for shipment in self._shipments.values())

    @property
    def oldest(self) -> InFlight | None:
        """The first batch that is not done, or ``None``."""
        return next((item for item in self._batches if not item.done), None)

    def open(self, batch: PackedBatch) -> InFlight:
        """Follow the partition's next batch; one without products awaits no completion."""
        item = InFlight(batch, letters_outstanding=len(batch.rejected))
        self._batches.append(item)
        if batch.message.products:
            self._sequence += 1
            shipment = Shipment(item, batch.message, self._sequence, self.clock() + self._timeout(1))
            item.shipments.append(shipment)
            self._shipments[batch.message.batch_id] = shipment
        else:
            item.gather()
        return item

    def acknowledged(self, shipment: Shipment) -> None:
        """Note that the broker has the shipment: the wait for its completion begins."""
        shipment.queued = False
        shipment.rejections = 0
        shipment.due_at = self.clock() + self._timeout(shipment.attempt)

    def refused(self, shipment: Shipment) -> None:
        """Note that the broker refused the shipment: it is due again after 0.5 s, then 1 s, up to 30 s."""
        shipment.queued = False
        shipment.due_at = self.clock() + min(_FIRST_BACKOFF_SECONDS * 2**shipment.rejections, _MAX_BACKOFF_SECONDS)
        shipment.rejections = min(shipment.rejections + 1, 10)

    def awaited(self, batch_id: str) -> Shipment | None:
        """Return the shipment of this id if its completion is awaited, or ``None``."""
        return self._shipments.get(batch_id)

    def decided(self, batch_id: str) -> None:
        """Note that the model's work on a batch, or a part of one, is over."""
        if (shipment := self._shipments.get(batch_id)) is not None:
            shipment.decided = True

    def complete(self, batch_id: str, outcomes: Sequence[EventOutcome]) -> Shipment | None:
        """Process a completion, and return the shipment that it completes.

        Returns ``None`` if it says nothing new about events: it is that of a probe, of an unknown batch (from an
        earlier run), or of one completed before. Raises :class:`ValueError` if an event of the batch has no
        outcome; such a completion changes nothing.
        """
        self._completed_at = self.clock()
        if self._probe is not None and batch_id == self._probe[0]:
            self._overtake(self._probe[1], local=self._probe_is_local)
            self._probe = None
            return None
        shipment = self._shipments.get(batch_id)
        if shipment is None:
            return None
        ranked = shipment.complete({outcome.offset: outcome for outcome in outcomes})
        del self._shipments[batch_id]
        if ranked:
            self._overtake(shipment.sequence, local=shipment.local)
        return shipment

    def due(self) -> list[Shipment]:
        """Return the shipments to send again now, and those given up now, which have outcomes.

        Those to send again count as sent. A shipment that the producer still holds is not due, however long that
        takes: a copy would only queue behind it.
        """
        now = self.clock()
        late = [item for item in self._shipments.values() if not item.queued and item.due_at <= now]
        if now - self._completed_at < self.timeout_seconds:
            # Completions show that the stages work, not that the broker now accepts what it refused.
            late = [item for item in late if item.rejections]
        return [due for shipment in late for due in self._again(shipment, now)]

    def probe(self) -> ProductBatch | None:
        """Return a probe, a batch without products, to send behind the due batches, or ``None`` if none is needed.

        Recall and ranking work in the order of their logs: when the probe's completion arrives, both have had
        everything that was sent before it. Only the latest probe is awaited.
        """
        suspect, self._suspect = self._suspect, None
        if suspect is None:
            return None
        message = msgspec.structs.replace(
            suspect, batch_id=str(uuid4()), attempt=1, products=[], settled=[], probe=True
        )
        self._probe = (message.batch_id, self._sequence)
        return message

    def probe_sent(self, *, local: bool) -> None:
        """Note whether the latest probe was handed over locally or sent through Kafka."""
        self._probe_is_local = local

    def settle(self) -> list[InFlight]:
        """Forget the leading batches that are done, and return them in order.

        The partition may be committed up to the end of the last one: every event up to there has its outcome.
        """
        settled = []
        while self._batches and self._batches[0].done:
            item = self._batches.popleft()
            # Item and shipments refer to each other: all events would stay in memory until the garbage collector
            # runs.
            item.shipments.clear()
            settled.append(item)
        return settled

    def _again(self, shipment: Shipment, now: float) -> list[Shipment]:
        alone = len(shipment.message.products) == 1
        enough = self.attempts if alone or not shipment.is_part else 1
        # A shipment that never reached the broker says nothing about its events.
        hopeless = not shipment.rejections and shipment.attempt >= (enough if shipment.overtaken else 2 * enough)
        if hopeless and alone and shipment.overtaken:
            shipment.give_up()
            del self._shipments[shipment.message.batch_id]
            return [shipment]
        if hopeless and not alone:
            del self._shipments[shipment.message.batch_id]
            self._sequence += 1
            halves = shipment.split(self._sequence, now + self._timeout(1))
            self._shipments |= {half.message.batch_id: half for half in halves}
            return halves
        if not shipment.rejections and not shipment.overtaken and shipment.attempt >= enough:
            self._suspect = shipment.message
        shipment.attempt += 1
        shipment.decided = False
        shipment.due_at = now + self._timeout(shipment.attempt)
        return [shipment]

    def _overtake(self, sequence: int, *, local: bool) -> None:
        # A shipment sent the other way (locally or through Kafka) may be late for other reasons.
        for shipment in self._shipments.values():
            shipment.overtaken |= shipment.sequence <= sequence and shipment.local == local

    def _timeout(self, attempt: int) -> float:
        doubled = self.timeout_seconds * 2 ** min(attempt - 1, 30)
        return max(self.timeout_seconds, min(doubled, MAX_TIMEOUT_SECONDS))
