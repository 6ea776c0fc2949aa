"""The account of a run: the outcome of every event, and the final decision on every product."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Message

from schemas.events.batch import BatchCompleted, Outcome
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import DeadLetter
from schemas.events.decision import CategoryAssigned, Decision, NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from schemas.topics import (
    BATCHES_COMPLETED,
    CATEGORIES_ASSIGNED,
    CATEGORIES_NEEDS_REVIEW,
    PRODUCTS_CHANGED,
    PRODUCTS_DEAD_LETTER,
    Topic,
)
from tests.fault.harness.stream import StreamEvent
from tests.worker_harness import Installation, Position
from workers.bundle.bundle import load_bundle
from workers.classify import classify

_DECIDED = {Outcome.ASSIGNED, Outcome.BACKED_OFF, Outcome.NEEDS_REVIEW}
# Possible outcomes of an event whose worker died after sending the decision but before the completion: the event
# is read again, perhaps in one batch with a newer edit.
_DECIDED_BEFORE = {Outcome.SUPERSEDED, Outcome.UNCHANGED}
_SHOWN = 20


@dataclass
class Account:
    """``lost`` events have no outcome; ``undecided`` events have one that does not match the topics.

    ``differences`` are products whose final decision differs from a run without faults.
    """

    events: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: list[Position] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    duplicate_deliveries: int = 0

    @property
    def problems(self) -> list[str]:
        """Return the first problems of each kind."""
        lost = [f"lost: {place}" for place in self.lost[:_SHOWN]]
        return lost + self.undecided[:_SHOWN] + self.differences[:_SHOWN]


@dataclass
class Outputs:
    """Everything that the stream has sent, by source position; ``standing`` has the final decisions by product."""

    completed: dict[Position, set[str]] = field(default_factory=lambda: defaultdict(set))
    letters: Counter[Position] = field(default_factory=Counter)
    decided: dict[Position, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    standing: dict[str, dict[str, Decision]] = field(default_factory=dict)


def read_outputs(installation: Installation) -> Outputs:
    """Read every output topic from beginning to end."""
    outputs = Outputs()
    for message in installation.read(installation.name(BATCHES_COMPLETED)):
        batch = decode(message.value(), BatchCompleted)
        for outcome in batch.outcomes:
            outputs.completed[batch.source_partition, outcome.offset].add(str(outcome.outcome))
    for message in installation.read(installation.name(PRODUCTS_DEAD_LETTER)):
        letter = DeadLetter.from_headers(message.headers())
        if letter.source_topic != installation.name(PRODUCTS_CHANGED):
            continue
        outputs.letters[letter.source_partition, letter.source_offset] += 1
    kinds: tuple[tuple[Topic, Any], ...] = (
        (CATEGORIES_ASSIGNED, CategoryAssigned),
        (CATEGORIES_NEEDS_REVIEW, NeedsReview),
    )
    for topic, kind in kinds:
        for message in _in_order(installation.read(installation.name(topic))):
            known = outputs.standing.setdefault(message.key().decode(), {})
            if message.value() is None:
                known.pop(topic.name, None)
                continue
            decision: Decision = decode(message.value(), kind)
            outputs.decided[decision.source.partition, decision.source.offset][decision.decision_id] += 1
            known[topic.name] = decision
    return outputs


def _in_order(messages: Iterable[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: (message.partition(), message.offset()))


def take_account(published: dict[Position, StreamEvent], outputs: Outputs) -> Account:
    """Check that every event has an outcome, and that the output topics confirm it."""
    account = Account(events=len(published))
    for place, event in published.items():
        outcomes, letters = outputs.completed.get(place, set()), outputs.letters[place]
        ids = outputs.decided.get(place, Counter())
        account.duplicate_deliveries += max(0, letters - 1) + sum(count - 1 for count in ids.values())
        if not outcomes and not letters:
            account.lost.append(place)
            continue
        account.outcomes[_named(outcomes, letters)] += 1
        if problem := _problem(event, outcomes, letters, ids):
            account.undecided.append(f"{place} {event.kind}: {problem}")
    return account


def _named(outcomes: set[str], letters: int) -> str:
    """Return one outcome; an event that was decided, and was unchanged when delivered again, counts as decided."""
    if letters:
        return str(Outcome.DEAD_LETTER)
    first = [outcome for outcome in sorted(outcomes) if outcome in _DECIDED or outcome == Outcome.REMOVED]
    return (first or sorted(outcomes))[0]


def _problem(event: StreamEvent, outcomes: set[str], letters: int, ids: Counter[str]) -> str | None:
    if len(ids) > 1:
        return f"{len(ids)} distinct decision ids"
    if (event.kind == "broken") != bool(letters):
        return f"{letters} dead letters; {sorted(outcomes)}"
    if outcomes & _DECIDED and not ids:
        return f"{sorted(outcomes)}, and no decision"
    if ids and not outcomes & (_DECIDED | _DECIDED_BEFORE) and not letters:
        return f"a decision, and {sorted(outcomes)}"
    return None


def standing_events(published: dict[Position, StreamEvent]) -> dict[str, Product | None]:
    """Return the final state of each product: an edit with a date older than one before it does not count."""
    found: dict[str, tuple[datetime | None, Product | None]] = {}
    for place in sorted(published):
        event = published[place]
        if event.kind == "broken" or event.key is None:
            continue
        product = None if event.value is None else msgspec.json.decode(event.value, type=Product)
        date = None if product is None else product.updated_at
        known = found.get(event.key.decode())
        newest = None if known is None else known[0]
        if date is None or newest is None or date >= newest:
            found[event.key.decode()] = (date or newest, product)
    return {name: product for name, (_, product) in found.items()}


def find_differences(standing: dict[str, Product | None], outputs: Outputs, bundle: Path | None) -> list[str]:
    """Return how the final decisions differ from those of a single process without Kafka.

    Without a ``bundle``, as when statistics changed during the run, only the decision's copies of product fields
    are compared.
    """
    found = []
    live = {name: product for name, product in standing.items() if product is not None}
    for name in standing.keys() | outputs.standing.keys():
        topics = outputs.standing.get(name, {})
        if name not in live:
            found += [f"{name} was removed and stands on {sorted(topics)}"] if topics else []
        elif len(topics) != 1:
            found.append(f"{name} stands on {sorted(topics) or 'no topic'}")
    expected = _expected(live, bundle) if bundle else {}
    for name, product in live.items():
        for decision in outputs.standing.get(name, {}).values():
            if (decision.brand, decision.stores) != (product.brand, product.stores):
                found.append(f"{name}: the decision on offset {decision.source.offset} is of an older edit")
            elif bundle and _content(decision) != expected[name]:
                found.append(f"{name}: {_content(decision)!r} is not {expected[name]!r}")
    return found


def _expected(live: dict[str, Product], bundle: Path) -> dict[str, bytes]:
    products = ((product, SourcePosition("", 0, 0)) for product in live.values())
    return {decision.product_id: _content(decision) for decision in classify(load_bundle(bundle), products)}


def _content(decision: Decision) -> bytes:
    """Return a decision as bytes without the fields that identify its event.

    Of equal events in one batch, any may win.
    """
    nowhere = SourcePosition("", 0, 0)
    return encode(msgspec.structs.replace(decision, decision_id="", source=nowhere, product_updated_at=None))
