"""The breaker as intake uses it: what a probe of events good and bad says."""

from __future__ import annotations

import time

import pytest
from prometheus_client import CollectorRegistry

from schemas.events.batch import EventOutcome, Outcome
from schemas.events.codec import encode
from schemas.events.product import Product
from streams.health import Health
from streams.intake.circuit import Circuit
from streams.intake.packer import SourceEvent, pack
from streams.intake.shipment import InFlight
from streams.intake.window import Window
from streams.metrics import Metrics
from streams.settings import Settings


class Intake:
    """Sends batches through a circuit, and says what became of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **overrides: float) -> None:
        self.now = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        limits = {"breaker_events": 20, "breaker_failed_ratio": 0.25, "breaker_pause_seconds": 30}
        settings = Settings.model_validate(limits | overrides)
        self.circuit = Circuit(settings, Metrics(CollectorRegistry()), Health())
        self.window = Window(4, 10, lambda: self.now)
        self.offset = 0

    def send(self, good: int, bad: int = 0) -> InFlight:
        events = [self._event(b"{" if number < bad else None) for number in range(good + bad)]
        item = self.window.open(pack("products", 0, events))
        self.circuit.sent(item)
        return item

    def complete(self, item: InFlight, outcome: Outcome) -> None:
        outcomes = [EventOutcome(offset, outcome) for offset in item.batch.originals]
        shipment = self.window.complete(item.batch.message.batch_id, [*outcomes, *item.batch.message.settled])
        assert shipment is not None
        self.circuit.completed(shipment)

    def _event(self, value: bytes | None) -> SourceEvent:
        self.offset += 1
        key = str(self.offset)
        good = encode(Product(product_id=key, title="lamp"))
        return SourceEvent(self.offset, 0, key.encode(), value or good, [])


@pytest.fixture
def intake(monkeypatch: pytest.MonkeyPatch) -> Intake:
    """One whose breaker has opened, and is to try a probe."""
    found = Intake(monkeypatch)
    found.complete(found.send(good=6), Outcome.FAILED)
    assert not found.circuit.reads
    found.now = 30
    found.circuit.turn()
    assert found.circuit.sends
    return found


def test_a_probe_with_malformed_events_is_still_the_only_one(intake: Intake) -> None:
    probe = intake.send(good=7, bad=1)
    assert not intake.circuit.sends
    intake.complete(probe, Outcome.FAILED)
    assert not intake.circuit.reads


def test_when_events_break_their_contract_the_log_says_how(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    intake = Intake(monkeypatch, breaker_invalid_ratio=0.3)
    intake.send(good=0, bad=8)
    assert not intake.circuit.reads
    assert "8 of the latest 20 events broke their contract" in caplog.text
    assert "the last failure: Input data was truncated" in caplog.text


def test_a_probe_of_malformed_events_alone_says_nothing_and_another_is_sent(intake: Intake) -> None:
    intake.send(good=0, bad=8)
    assert intake.circuit.sends
    intake.complete(intake.send(good=8), Outcome.NEEDS_REVIEW)
    assert intake.circuit.most_events is None
