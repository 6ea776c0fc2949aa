"""What is sent of a batch: first all of it, then halves if that failed, and in the end single events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from schemas.events.batch import EventOutcome, Outcome, ProductBatch
from streams.intake.packer import PackedBatch

_NAMESPACE: Final[UUID] = uuid5(NAMESPACE_URL, "urn:shelfwise:batch-part")
# Only ranking gives these outcomes: recall settles the others itself, even if ranking does nothing.
_RANKED: Final = frozenset({Outcome.ASSIGNED, Outcome.BACKED_OFF, Outcome.NEEDS_REVIEW, Outcome.REMOVED})


@dataclass(slots=True, eq=False)
class InFlight:
    """A batch in flight; it is done when its outcomes are known and its dead letters are acknowledged."""

    batch: PackedBatch
    shipments: list[Shipment] = field(default_factory=list)
    outcomes: list[EventOutcome] | None = None
    letters_outstanding: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left to do for the batch."""
        return self.outcomes is not None and self.letters_outstanding == 0

    def gather(self) -> None:
        """Combine the outcomes of the shipments when all of them have theirs."""
        if any(shipment.outcomes is None for shipment in self.shipments):
            return
        found = {outcome.offset: outcome for shipment in self.shipments for outcome in shipment.outcomes or ()}
        # Outcomes that intake itself settled stay, whatever a completion says.
        found |= {outcome.offset: outcome for outcome in self.batch.message.settled}
        self.outcomes = [found[offset] for offset in sorted(found)]


@dataclass(slots=True, eq=False)
class Shipment:
    """Events of a batch that travel as one message.

    ``sequence`` orders shipments by when they were first sent; both halves of a split have the same one.
    ``queued`` says that the producer has the message and the broker has not acknowledged it yet. ``overtaken``
    says that a probe or another shipment of the partition, sent no earlier, came through ranking: then the problem
    is this shipment, not the stages. ``tries`` counts the attempts of the shipments that it was split from.
    ``local`` says that it was handed over in this process, ``decided`` that its decisions are on their way to the
    broker.
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
        """Whether its completion is still awaited."""
        return self.outcomes is None

    @property
    def is_part(self) -> bool:
        """Whether it holds only a part of its batch."""
        return self.message.batch_id != self.of.batch.message.batch_id

    def complete(self, outcomes: dict[int, EventOutcome]) -> bool:
        """Store the outcomes of its events, and return whether any event came through ranking.

        Raises :class:`ValueError` if an event has no outcome; such a completion changes nothing.
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
        """Replace it with two halves, and return them."""
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
