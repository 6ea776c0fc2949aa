"""After a verdict, the product is decided again at once, as the person says, on a real Kafka."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.events.codec import decode, encode
from schemas.events.dead_letter import ATTEMPT_HEADER
from schemas.events.decision import CategoryAssigned, Decision, NeedsReview
from schemas.events.product import Product
from schemas.events.sent_again import JUDGED_OFFSET_HEADER, ORIGINAL_OFFSET_HEADER, VERDICT_OFFSET_HEADER
from schemas.topics import (
    CATEGORIES_ASSIGNED,
    CATEGORIES_NEEDS_REVIEW,
    LEARNING_BATCHED,
    PRODUCTS_CHANGED,
    REVIEWS_DECIDED,
)
from streams.agents.context import Context
from streams.health import Health
from streams.learning.decide_again import DecideAgain, JudgedEvent
from streams.metrics import Metrics
from streams.sinks import Sink
from tests.decisions import verdict
from tests.worker_harness import Installation, decisions, wait_until
from workers.sample import sample_taxonomy

_PRODUCT = Product(product_id="p", title="Thing nobody knows")
_LAMPS, _CHAIRS = sample_taxonomy().ids[-1], sample_taxonomy().ids[-2]


def judged(review: str, category: str | None) -> bytes:
    return encode(verdict(category, review_id=review, title=_PRODUCT.title, brand="Lumo"))


def standing(installation: Installation) -> Decision | None:
    """Return the decision that a consumer of both topics holds; none if the product has just moved."""
    assigned = installation.latest(installation.name(CATEGORIES_ASSIGNED)).get(b"p")
    waiting = installation.latest(installation.name(CATEGORIES_NEEDS_REVIEW)).get(b"p")
    both: list[Decision] = [decode(assigned, CategoryAssigned)] if assigned else []
    both += [decode(waiting, NeedsReview)] if waiting else []
    return max(both, key=lambda decision: decision.source.offset, default=None)


def await_decision(installation: Installation, review_id: str | None, category: str | None) -> Decision:
    """Wait until the standing decision repeats this verdict, or no verdict, and return it."""

    def found() -> bool:
        decision = standing(installation)
        assigned = decision.category.id if isinstance(decision, CategoryAssigned) else None
        return decision is not None and (decision.review_id, assigned) == (review_id, category)

    wait_until(found, lambda: f"verdict {review_id}, category {category}: {standing(installation)}")
    decision = standing(installation)
    assert decision is not None
    return decision


@pytest.mark.parametrize("workers", [[()], [("intake", "ranking", "learning"), ("recall",)]])
def test_consumers_get_each_verdict_as_a_decision_and_one_that_is_taken_back_too(
    installation: Installation, workers: list[tuple[str, ...]]
) -> None:
    """With all stages in one worker, and with recall in another."""
    with ExitStack() as stack:
        for stages in workers:
            stack.enter_context(installation.worker(*stages))
        installation.publish_products([_PRODUCT])
        installation.wait_until_committed()
        first = await_decision(installation, None, None)
        # A feed that publishes everything every night: the decision is on an event that is not the newest.
        installation.publish_products([_PRODUCT])
        installation.wait_until_committed()
        for review, category in (("1", _LAMPS), ("2", _CHAIRS), ("3", None)):
            installation.send(REVIEWS_DECIDED, "p", judged(review, category))
            await_decision(installation, review, category)
        installation.send(REVIEWS_DECIDED, "p", None)
        last = await_decision(installation, None, None)
        assert isinstance(last, NeedsReview)
        assert last.alternatives == first.alternatives
        installation.wait_until_committed()
        assert len({decision.decision_id for decision in decisions(installation)}) == 5


def test_a_verdict_does_not_bring_back_what_was_changed_or_removed_meanwhile(installation: Installation) -> None:
    with installation.worker("intake", "recall", "ranking"):
        installation.publish_products([_PRODUCT])
        installation.wait_until_committed()
    with installation.worker("learning") as learning:
        read = installation.name(LEARNING_BATCHED)
        wait_until(lambda: len(installation.read(read)) == 1, "the decision is read")
        wait_until(lambda: not learning.metric("shelfwise_learning_unread_messages"), "the decision is learned")
        installation.publish([(b"p", None, [])])
        installation.send(REVIEWS_DECIDED, "p", judged("1", _LAMPS))
        wait_until(
            lambda: len(installation.read(installation.name(PRODUCTS_CHANGED))) == 3, "the product is sent again"
        )
    with installation.worker():
        installation.wait_until_committed()
        assert not installation.latest(installation.name(CATEGORIES_ASSIGNED))
        assert not installation.latest(installation.name(CATEGORIES_NEEDS_REVIEW))


def test_only_what_kafka_still_holds_of_the_product_is_published_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.learning.decide_again._SILENCE_SECONDS", 1.0)
    settings, source = installation.settings(), installation.name(PRODUCTS_CHANGED)
    other = Product(product_id="another", title="Lamp")
    events = [(b"p", encode(_PRODUCT), []), (b"p", encode(_PRODUCT), [("trace", b"1")]), (b"p", None, [])]
    places = installation.publish(events)
    partition = places[0][0]
    producer = Producer(installation.connection.producer_config())
    producer.produce(source, encode(other), b"another", partition=partition)
    producer.flush()
    admin = AdminClient(installation.connection.client_config())
    for deleted in admin.delete_records([TopicPartition(source, partition, 1)]).values():
        deleted.result(30)

    async def publish_all() -> None:
        sink = Sink(settings.kafka)
        again = DecideAgain(Context(settings, sink, Metrics(), Health()))
        # Deleted, the one that is left, a tombstone, another product's, and one that never was.
        await again.publish([JudgedEvent(partition, offset, b"p", 70 + offset) for offset in (4, 3, 2, 1, 0)])
        sink.close(30)

    asyncio.run(publish_all())
    *_, last = installation.read(source)
    assert (last.offset(), last.key(), last.value()) == (4, b"p", encode(_PRODUCT))
    assert last.headers() == [
        ("trace", b"1"),
        (VERDICT_OFFSET_HEADER, b"71"),
        (JUDGED_OFFSET_HEADER, b"1"),
        (ORIGINAL_OFFSET_HEADER, b"1"),
        (ATTEMPT_HEADER, b"2"),
    ]
