"""What is sent of a batch: all of it at first, halves once that was of no avail, at last its events one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from schemas.events.batch import EventOutcome, Outcome, ProductBatch
from streams.intake.packer import PackedBatch

_NAMESPACE: Final[UUID] = uuid5(NAMESPACE_URL, "urn:shelfwise:batch-part")
# Only ranking gives these: recall settles the others by itself, even while ranking does nothing.
_RANKED: Final = frozenset({Outcome.ASSIGNED, Outcome.BACKED_OFF, Outcome.NEEDS_REVIEW, Outcome.REMOVED})


@dataclass(slots=True, eq=False)
class InFlight:
    """A batch that is followed: done when its outcomes are known and its dead letters are acknowledged."""

    batch: PackedBatch
    shipments: list[Shipment] = field(default_factory=list)
    outcomes: list[EventOutcome] | None = None
    letters_outstanding: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing of the batch is left to do."""
        return self.outcomes is not None and self.letters_outstanding == 0

    def gather(self) -> None:
        """Take the outcomes of the shipments together, once all of them have theirs."""
        if any(shipment.outcomes is None for shipment in self.shipments):
            return
        found = {outcome.offset: outcome for shipment in self.shipments for outcome in shipment.outcomes or ()}
        # What intake itself settled stays as it was, whatever a completion says of it.
        found |= {outcome.offset: outcome for outcome in self.batch.message.settled}
        self.outcomes = [found[offset] for offset in sorted(found)]


@dataclass(slots=True, eq=False)
class Shipment:
    """Events of a batch that travel as one message; ``sequence`` tells what was sent first, alike for both halves.

    ``queued`` says that the producer has it and the broker has not yet acknowledged it. ``overtaken`` says that
    something of the partition, or a probe, came through ranking that was sent no earlier: then it is this that
    cannot be done, and not all. ``tries`` are those of what it was split from. ``local`` says that
    it was handed over in this process, ``decided`` that its decisions are on their way to the broker.
    """

    of: InFlight
    message: ProductBatch
    sequence: int
    due_at: float
    attempt: int = 1
    tries: int = 0
    queued: bool = False
    rejections: int = 0
    overtaken: bool = False
    local: bool = False
    decided: bool = False
    given_up: bool = False
    outcomes: list[EventOutcome] | None = None

    @property
    def awaited(self) -> bool:
        """Whether its completion has not come."""
        return self.outcomes is None

    @property
    def is_part(self) -> bool:
        """Whether it is not all of its batch."""
        return self.message.batch_id != self.of.batch.message.batch_id

    def complete(self, outcomes: dict[int, EventOutcome]) -> bool:
        """Take in the outcomes of its events, and return whether they came through ranking.

        Raises :class:`ValueError` where an event has none: such a completion changes nothing.
        """
        offsets = [product.offset for product in self.message.products]
        if missing := [offset for offset in offsets if offset not in outcomes]:
            raise ValueError(
                f"batch {self.message.batch_id}: the completion says nothing of offsets {missing[:10]}"
            )
        self.outcomes = [outcomes[offset] for offset in offsets]
        self.of.gather()
        return any(outcome.outcome in _RANKED for outcome in self.outcomes)

    def give_up(self) -> None:
        """Let its events fail."""
        self.given_up = True
        detail = f"gave up after {self.tries + self.attempt} attempts, the last of them alone"
        self.outcomes = [
            EventOutcome(product.offset, Outcome.FAILED, f"intake: {detail}") for product in self.message.products
        ]
        self.of.gather()

    def split(self, sequence: int, due_at: float) -> list[Shipment]:
        """Put two halves in its place, and return them."""
        middle = len(self.message.products) // 2
        halves = [
            Shipment(self.of, self._part(start, end), sequence, due_at, tries=self.tries + self.attempt)
            for start, end in ((0, middle), (middle, None))
        ]
        place = self.of.shipments.index(self)
        self.of.shipments[place : place + 1] = halves
        return halves

    def _part(self, start: int, end: int | None) -> ProductBatch:
        products = self.message.products[start:end]
        name = f"{self.of.batch.message.batch_id}/{products[0].offset}-{products[-1].offset}"
        return msgspec.structs.replace(
            self.message, batch_id=str(uuid5(_NAMESPACE, name)), products=products, settled=[]
        )
