"""What intake sends: batches to recall (through Kafka or directly) and dead letters."""

from __future__ import annotations

import logging
from typing import Final

import msgspec
from confluent_kafka import KafkaError

from schemas.events import cloudevents
from schemas.events.batch import Outcome, ProductBatch
from schemas.events.cloudevents import EventType
from schemas.events.codec import encode
from schemas.events.dead_letter import Reason
from schemas.topics import PRODUCTS_BATCHED, PRODUCTS_CHANGED, PRODUCTS_DEAD_LETTER
from streams.intake.dead_letters import DeadLetterWriter, Death
from streams.intake.packer import SourceEvent
from streams.intake.partition import PartitionIntake
from streams.intake.shipment import InFlight, Shipment
from streams.local_flow import LocalFlow
from streams.metrics import Metrics
from streams.outgoing import Outgoing
from streams.sender import Sender
from streams.settings import Settings

logger = logging.getLogger(__name__)

STAGE: Final = "intake"
_UNKNOWN_DETAIL: Final = "no reason was given"


class Outbox:
    """Sends batches and their dead letters; callbacks run in :meth:`poll`, so in intake's own thread."""

    def __init__(self, settings: Settings, metrics: Metrics, local: LocalFlow) -> None:
        self._metrics = metrics
        self._local = local
        self._handed_over: list[ProductBatch] = []
        self._batched = settings.topic(PRODUCTS_BATCHED)
        self._sender = Sender(settings.kafka, STAGE)
        self._letters = DeadLetterWriter(
            self._sender, settings.topic(PRODUCTS_DEAD_LETTER), settings.topic(PRODUCTS_CHANGED), metrics
        )

    def poll(self) -> None:
        """Process deliveries; raises :class:`KafkaUnavailable` if nothing can be sent any more."""
        self._sender.poll(0)
        self._letters.retry()

    def may_open(self, state: PartitionIntake) -> bool:
        """Return whether a new batch may be sent: a batch handed over must not overtake one sent through Kafka."""
        return not (self._local.takes(state.partition) and state.window.through_kafka)

    def open(self, state: PartitionIntake, item: InFlight) -> None:
        """Send a new batch, and a dead letter for each rejected event."""
        for rejected in item.batch.rejected:
            error = rejected.error
            self._bury(state, item, rejected.event, Death(error.reason, error.detail, STAGE))
        for shipment in item.shipments:
            self._send(state, shipment)

    def send_again(self, state: PartitionIntake, shipment: Shipment) -> None:
        """Send a batch, or a part of one, again: it did not reach the broker or was not completed in time."""
        count, tries = len(shipment.message.products), shipment.tries + shipment.attempt
        logger.warning("batch %s of %d is sent again, attempt %d", shipment.message.batch_id, count, tries)
        self._metrics.batch_resent()
        if shipment.is_part and shipment.attempt == 1:
            self._metrics.batch_part()
        self._send(state, shipment)

    def send_probe(self, state: PartitionIntake, probe: ProductBatch) -> None:
        """Ask whether recall and ranking are working; if this probe is lost, another follows."""
        logger.info("batches of %s/%d hang; probe %s is sent", self._batched, state.partition, probe.batch_id)
        message = msgspec.structs.replace(probe, generation=state.generation)
        straight = self._local.takes(state.partition)
        state.window.probe_sent(local=straight)
        if straight:
            self._handed_over.append(message)
        else:
            self._sender.send(self._outgoing(message), lambda _error: None)

    def hand_over(self) -> None:
        """Give recall of this process everything that was sent to it since the last call, in one step."""
        if self._handed_over:
            self._local.hand_over(self._handed_over)
            self._handed_over = []

    def redirect(self, state: PartitionIntake, batch: ProductBatch) -> None:
        """Send a batch that recall of this process gave back through Kafka, if its completion is still awaited.

        This does not count as a new attempt, because no work had begun.
        """
        shipment = state.window.awaited(batch.batch_id)
        if shipment is None or batch.attempt != shipment.attempt or batch.generation != state.generation:
            return
        self._send_through_kafka(state, shipment, batch)

    def bury_failed(self, state: PartitionIntake, shipment: Shipment) -> None:
        """Send a dead letter for each event that recall or ranking could not process."""
        failed = [outcome for outcome in shipment.outcomes or () if outcome.outcome is Outcome.FAILED]
        item = shipment.of
        item.letters_outstanding += len(failed)
        reason = Reason.GAVE_UP if shipment.given_up else Reason.PROCESSING_FAILED
        for outcome in failed:
            stage, _, detail = (outcome.detail or "").partition(": ")
            death = Death(reason, detail or _UNKNOWN_DETAIL, stage or "unknown")
            self._bury(state, item, item.batch.originals[outcome.offset], death)

    def _send(self, state: PartitionIntake, item: Shipment) -> None:
        message = msgspec.structs.replace(
            item.message,
            attempt=item.attempt,
            generation=state.generation,
        )
        if self._local.takes(state.partition):
            self._handed_over.append(message)
            item.local = True
            state.window.acknowledged(item)
        else:
            self._send_through_kafka(state, item, message)

    def _send_through_kafka(self, state: PartitionIntake, item: Shipment, message: ProductBatch) -> None:
        def delivered(error: KafkaError | None) -> None:
            if error is None:
                state.window.acknowledged(item)
                return
            logger.warning("batch %s was not delivered: %s", message.batch_id, error.str())
            state.window.refused(item)

        item.local = False
        item.queued = True
        self._sender.send(self._outgoing(message), delivered)

    def _outgoing(self, message: ProductBatch) -> Outgoing:
        headers = cloudevents.headers(EventType.PRODUCTS_BATCHED, f"{message.batch_id}/{message.attempt}")
        return Outgoing(self._batched, None, encode(message), headers, message.source_partition)

    def _bury(self, state: PartitionIntake, item: InFlight, event: SourceEvent, death: Death) -> None:
        def acknowledged() -> None:
            item.letters_outstanding -= 1

        self._letters.write(event, state.partition, death, acknowledged, lambda: state.owned)
