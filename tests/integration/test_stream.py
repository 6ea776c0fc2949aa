"""The whole stream, a worker in a process of its own, on a real Kafka with a real model."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from confluent_kafka.admin import AdminClient

from schemas.events.batch import CandidateBatch
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import DeadLetter, Headers, original_headers
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.product import Product
from schemas.events.statistics import StatisticKind
from schemas.topics import (
    CANDIDATES,
    CATEGORIES_ASSIGNED,
    CATEGORIES_NEEDS_REVIEW,
    PRODUCTS_BATCHED,
    PRODUCTS_CHANGED,
    PRODUCTS_DEAD_LETTER,
    REVIEWS_DECIDED,
)
from streams.learned.follower import Follower
from streams.learned.statistics import LearnedStatistics
from streams.tables import STATISTICS, changelog_name
from tests.decisions import verdict
from tests.process_tree import frozen, running
from tests.sample_model import sample_products
from tests.worker_harness import PARTITIONS, Installation, Position, Worker, by_source, decisions, wait_until
from workers.sample import sample_taxonomy

GOOD = 10_000
BAD = 10_000
HUGE = 40
GROUPS = ("intake", "recall", "ranking", "learning", "learning-reader")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Event = tuple[bytes | None, bytes | None, Headers]


@pytest.fixture(scope="session")
def products() -> list[Product]:
    return [row.product for row in sample_products(8, GOOD)]


def good_event(place: int, product: Product) -> Event:
    # A brand that the model has never seen is no fault of the event.
    changed = msgspec.structs.replace(product, brand=f"Unheard of {place}") if place % 10 == 0 else product
    return product.product_id.encode(), encode(changed), [("trace", str(place).encode())]


def bad_events(products: list[Product]) -> Iterator[tuple[Event, str]]:
    """Ten thousand, eight kinds in turn, and a few of 5 MB; each with the reason it must be given."""
    huge = orjson.dumps({"product_id": "huge", "title": "x" * 5_000_000})
    ways: list[Callable[[dict[str, Any], bytes], tuple[bytes | None, bytes | None, str]]] = [
        lambda row, value: (row["product_id"].encode(), value[:-7], "malformed_json"),
        lambda row, value: (row["product_id"].encode(), orjson.dumps(row | {"title": 7}), "wrong_type"),
        lambda row, value: (
            row["product_id"].encode(),
            orjson.dumps(row | {"brand": "?"}).replace(b'"?"', b'"\xff\xfe"'),
            "invalid_utf8",
        ),
        lambda row, value: (row["product_id"].encode(), orjson.dumps({"title": row["title"]}), "missing_field"),
        lambda row, value: (b"somebody else", value, "key_mismatch"),
        lambda row, value: (row["product_id"].encode(), orjson.dumps(row | {"title": "  "}), "empty_title"),
        lambda row, value: (
            row["product_id"].encode(),
            orjson.dumps(row | {"title": "x" * 2_001}),
            "out_of_bounds",
        ),
        lambda row, value: (None, value, "missing_key"),
    ]
    for place in range(BAD - HUGE):
        row = orjson.loads(encode(products[place % len(products)]))
        row["product_id"] = f"bad-{place}"
        key, value, reason = ways[place % len(ways)](row, orjson.dumps(row))
        yield (key, value, [("trace", f"bad {place}".encode())]), reason
    for place in range(HUGE):
        yield (b"huge", huge, [("trace", f"huge {place}".encode())]), "too_large"


@pytest.mark.timeout(600)
def test_among_ten_thousand_bad_events_every_good_one_is_decided_and_every_bad_one_kept(
    installation: Installation, products: list[Product]
) -> None:
    good = [(good_event(place, product), None) for place, product in enumerate(products)]
    mixed: list[tuple[Event, str | None]] = [*good, *bad_events(products)]
    random.Random(3).shuffle(mixed)
    with installation.worker() as worker:
        places = installation.publish(event for event, _ in mixed)
        installation.wait_until_committed(300)
        assert worker.metric("shelfwise_events_received_total") == GOOD + BAD
        assert worker.metric("shelfwise_event_outcomes_total", outcome="dead_letter") == BAD
        assert worker.metric("shelfwise_event_outcomes_total") == GOOD + BAD
        assert worker.stop() == 0

    decided = by_source(decisions(installation))
    expected = {place for place, (_, reason) in zip(places, mixed, strict=True) if reason is None}
    assert decided.keys() == expected
    assert {len(ids) for ids in decided.values()} == {1}
    assert len({next(iter(ids)) for ids in decided.values()}) == GOOD

    letters = {}
    for message in installation.read(installation.name(PRODUCTS_DEAD_LETTER)):
        letter = DeadLetter.from_headers(message.headers())
        assert (letter.stage, letter.source_topic) == ("intake", installation.name(PRODUCTS_CHANGED))
        event = (message.key(), message.value(), original_headers(message.headers()))
        letters[letter.source_partition, letter.source_offset] = (event, letter.reason)
    assert letters == {place: item for place, item in zip(places, mixed, strict=True) if item[1] is not None}


def test_a_product_that_did_not_change_is_not_decided_again_and_an_older_edit_never_wins(
    installation: Installation, products: list[Product]
) -> None:
    first = msgspec.structs.replace(products[0], updated_at=NOW)
    resent = msgspec.structs.replace(first, updated_at=NOW + timedelta(days=1))
    older = msgspec.structs.replace(first, title="an older title", updated_at=NOW - timedelta(days=1))
    newer = msgspec.structs.replace(first, title="a newer title", updated_at=NOW + timedelta(days=2))
    with installation.worker() as worker:
        places = []
        for product in (first, resent, older, newer):  # each in a batch of its own
            places += installation.publish_products([product])
            installation.wait_until_committed()
        assert by_source(decisions(installation)).keys() == {places[0], places[3]}
        for outcome in ("unchanged", "superseded"):
            assert worker.metric("shelfwise_event_outcomes_total", outcome=outcome) == 1


def test_a_removed_product_leaves_both_topics_of_decisions(
    installation: Installation, products: list[Product]
) -> None:
    gone, stays = products[:20], products[20:40]
    with installation.worker() as worker:
        installation.publish_products([*gone, *stays])
        installation.wait_until_committed()
        installation.publish((product.product_id.encode(), None, []) for product in gone)
        installation.wait_until_committed()
        assert worker.metric("shelfwise_event_outcomes_total", outcome="removed") == len(gone)
    topics = (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW)
    left = [set(installation.latest(installation.name(topic))) for topic in topics]
    assert left[0] | left[1] == {product.product_id.encode() for product in stays}


def test_a_product_that_moves_to_the_other_topic_of_decisions_leaves_the_one_it_was_on(
    installation: Installation, products: list[Product]
) -> None:
    """Content that says nothing needs review; and back. Some are decided twice, as a worker was killed."""
    some = products[:300]
    vague = [msgspec.structs.replace(p, title="x", brand=None, merchant_category=None) for p in some]
    vague = [msgspec.structs.replace(p, description=None, affiliate=None, stores=()) for p in vague]
    expected = {product.product_id.encode() for product in some}
    topics = [installation.name(topic) for topic in (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW)]

    def latest() -> tuple[set[bytes], set[bytes]]:
        assigned, review = (set(installation.latest(topic)) for topic in topics)
        assert assigned | review == expected
        assert not assigned & review
        return assigned, review

    with installation.worker(session_timeout_seconds=6) as worker:
        installation.publish_products(some)
        installation.wait_until_committed()
        first = latest()
        tombstones = [message for topic in topics for message in installation.read(topic) if not message.value()]
        assert tombstones == []  # nothing to withdraw
        installation.publish_products(vague)
        wait_until(
            lambda: worker.metric("shelfwise_event_outcomes_total") > len(some) or not installation.uncommitted(),
            "some decided once more",
        )
        worker.kill()
    with installation.worker(session_timeout_seconds=6):
        installation.wait_until_committed()
        moved = latest()
        installation.publish_products(some)
        installation.wait_until_committed()
        back = latest()
    assert len(first[0] & moved[1]) > 50
    assert back == first


def test_a_verdict_of_a_person_moves_the_statistics_of_the_brand_and_of_its_tags(
    installation: Installation, products: list[Product]
) -> None:
    product = msgspec.structs.replace(products[0], brand="  Verdict   Works ")
    settings = installation.settings()

    def weights() -> list[dict[str, float]]:
        keys: list[tuple[StatisticKind, bytes]] = [("brand", b"verdict works"), ("tag", b"for the desk")]
        values = [installation.latest(changelog_name(settings, STATISTICS[kind])).get(key) for kind, key in keys]
        return [{} if value is None else orjson.loads(value)["weights"] for value in values]

    def judge(review: str, category: str | None) -> None:
        tags = ("For the  DESK",)
        said = verdict(category, review_id=review, product_id=product.product_id, brand=product.brand, tags=tags)
        installation.send(REVIEWS_DECIDED, product.product_id, encode(said))

    lamps, chairs = sample_taxonomy().ids[:2]
    with installation.worker(learning_min_confidence=0):
        installation.publish_products([product])
        installation.wait_until_committed()
        judge("1", lamps)
        wait_until(lambda: weights() == 2 * [{lamps: 3.0}], lambda: f"3 of lamps: {weights()}")
        judge("2", chairs)
        wait_until(lambda: weights() == 2 * [{chairs: 3.0}], lambda: f"3 of chairs: {weights()}")
        judge("3", None)
        wait_until(lambda: weights() == 2 * [{}], lambda: f"nothing: {weights()}")


def test_what_a_person_said_of_the_tags_of_a_decision_is_known_to_every_worker(installation: Installation) -> None:
    category = sample_taxonomy().ids[-1]
    statistics = LearnedStatistics(installation.settings())
    follower = Follower(installation.settings(), statistics.handlers)
    with installation.worker():
        installation.publish_products([Product(product_id="tagged", title="zzz", tags="Qwertz, New arrival")])
        installation.wait_until_committed()
        [decision] = decisions(installation)
        assert decision.tags == ("Qwertz", "New arrival")
        follower.start()
        said = verdict(category, product_id=decision.product_id, tags=decision.tags)
        installation.send(REVIEWS_DECIDED, decision.product_id, encode(said))
        wait_until(
            lambda: [statistics.weights("tag", tag) for tag in ("qwertz", "new arrival")] == 2 * [{category: 3.0}],
            "both tags are learned",
        )
    follower.stop()


def test_verdicts_that_cannot_be_used_are_kept_with_the_dead_letters(installation: Installation) -> None:
    said = {"review_id": "1", "product_id": "p", "reviewer": "a person", "decided_at": NOW, "brand": "Lumo"}
    known = sample_taxonomy().ids[0]
    values = {
        "unknown_category": orjson.dumps(said | {"category_id": "no such"}),
        "unknown_product": orjson.dumps(said | {"category_id": known, "brand": None}),
        "malformed_json": b'{"review_id"',
        "wrong_type": orjson.dumps({"review_id": 7}),
    }
    with installation.worker() as worker:
        for value in values.values():
            installation.send(REVIEWS_DECIDED, "p", value)
        wait_until(
            lambda: worker.metric("shelfwise_dead_letters_total", stage="learning") == len(values),
            "all dead letters",
        )
    letters = {}
    for message in installation.read(installation.name(PRODUCTS_DEAD_LETTER)):
        letter = DeadLetter.from_headers(message.headers())
        assert (letter.stage, letter.source_topic) == ("learning", installation.name(REVIEWS_DECIDED))
        letters[letter.reason] = message.value()
    assert letters == values


def test_stages_in_processes_of_their_own_decide_as_one(
    installation: Installation, products: list[Product]
) -> None:
    with (
        installation.worker("ranking"),
        installation.worker("recall"),
        installation.worker("recall"),
        installation.worker("intake"),
        installation.worker("intake"),
    ):
        places = installation.publish_products(products[:2_000])
        installation.wait_until_committed()
    decided = by_source(decisions(installation))
    assert decided.keys() == set(places)
    assert {len(ids) for ids in decided.values()} == {1}


def test_a_process_that_recalls_and_ranks_sends_no_candidates(
    installation: Installation, products: list[Product]
) -> None:
    with installation.worker(), installation.worker():
        places = installation.publish_products(products[:2_000])
        installation.wait_until_committed()
    assert by_source(decisions(installation)).keys() == set(places)
    assert installation.read(installation.name(CANDIDATES)) == []


def test_a_process_that_does_all_sends_no_batches(installation: Installation, products: list[Product]) -> None:
    with installation.worker() as worker:
        places = installation.publish_products(products[:2_000])
        installation.wait_until_committed()
        assert worker.stop() == 0
    assert by_source(decisions(installation)).keys() == set(places)
    for topic in (PRODUCTS_BATCHED, CANDIDATES):
        assert installation.read(installation.name(topic)) == []


def test_batches_go_through_kafka_where_another_process_recalls_and_straight_again_when_it_is_gone(
    installation: Installation, products: list[Product]
) -> None:
    quick = {"session_timeout_seconds": 6}
    with installation.worker(**quick):
        places = installation.publish_products(products[:1_000])
        installation.wait_until_committed()
        with installation.worker("recall", **quick) as other:
            places += installation.publish_products(products[1_000:3_000])
            installation.wait_until_committed()
            assert installation.read(installation.name(PRODUCTS_BATCHED)) != []
            places += installation.publish_products(products[3_000:4_000])
            other.kill()
            installation.wait_until_committed()
        wait_until(lambda: goes_straight(installation, products, places), "batches that take the short way")
    assert by_source(decisions(installation)).keys() == set(places)


def goes_straight(installation: Installation, products: list[Product], places: list[Position]) -> bool:
    """Publish some products anew, add to their places, and return whether none of them went through Kafka."""
    before = len(installation.read(installation.name(PRODUCTS_BATCHED)))
    edited = [msgspec.structs.replace(item, title=f"{item.title} {len(places)}") for item in products[:100]]
    places += installation.publish_products(edited)
    installation.wait_until_committed()
    return len(installation.read(installation.name(PRODUCTS_BATCHED))) == before


def test_what_another_process_recalled_is_decided_before_what_is_handed_over(
    installation: Installation, products: list[Product]
) -> None:
    some = list({product.product_id: product for product in products[:500]}.values())
    with installation.worker("intake") as intake, installation.worker("recall") as recall:
        installation.publish_products(some)
        wait_until(lambda: recalled(installation) >= len(some), "all recalled, and none decided")
        intake.kill()
        recall.kill()
    edited = [msgspec.structs.replace(product, title=f"{product.title} anew") for product in some]
    places = installation.publish_products(edited)
    with installation.worker():
        installation.wait_until_committed()
    assigned, review = (
        installation.latest(installation.name(topic)) for topic in (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW)
    )
    assert len(assigned) + len(review) == len(some)
    standing = [decode(value, CategoryAssigned) for value in assigned.values()]
    asked = [decode(value, NeedsReview) for value in review.values()]
    assert by_source([*standing, *asked]).keys() == set(places)


def recalled(installation: Installation) -> int:
    """Return how many products lie on the topic of candidates."""
    messages = installation.read(installation.name(CANDIDATES))
    return sum(len(decode(message.value(), CandidateBatch).products) for message in messages)


def test_a_worker_that_comes_back_under_its_instance_id_moves_no_partition_of_another(
    installation: Installation, products: list[Product]
) -> None:
    """Static membership (KIP-345), of intake's group and of Faust's."""
    with (
        installation.worker(instance_id="a", session_timeout_seconds=300) as first,
        installation.worker(instance_id="b", session_timeout_seconds=300) as second,
    ):
        installation.publish_products(products[:500])
        installation.wait_until_committed()
        before = rebalances(second)
        assert first.stop() == 0
        with installation.worker(instance_id="a", session_timeout_seconds=300):
            installation.publish_products(products[500:1_000])
            installation.wait_until_committed()
            assert rebalances(second) == before
            assert static_members(installation) == {group: {"a", "b"} for group in GROUPS}
    assert len(by_source(decisions(installation))) == 1_000


def test_installations_that_share_a_data_directory_share_no_table(
    installation: Installation, products: list[Product], tmp_path: Path
) -> None:
    """What one has decided is new to the other."""
    prefix = f"other.{installation.prefix}"
    other = Installation(installation.connection, prefix, installation.bundle, tmp_path / "other").create()
    for place in (installation, other):
        with place.worker(data_dir=tmp_path / "shared"):
            place.publish_products(products[:50])
            place.wait_until_committed()
        assert len(by_source(decisions(place))) == 50


def test_a_worker_whose_instance_id_another_one_takes_ends_and_says_why(installation: Installation) -> None:
    with installation.worker("intake", instance_id="a") as first, installation.worker("intake", instance_id="a"):
        assert first.wait() == 1
    assert "intake failed: KafkaUnavailable: events and completions can no longer be read" in first.log.read_text()
    assert "same group.instance.id" in first.log.read_text()


def rebalances(worker: Worker) -> int:
    return worker.log.read_text().count("intake owns partitions")


def static_members(installation: Installation) -> dict[str, set[str]]:
    """Return the instance ids of the members of each group."""
    settings = installation.settings()
    names = {settings.group(name): name for name in GROUPS}
    admin = AdminClient(settings.kafka.client_config())
    found = {}
    for group, future in admin.describe_consumer_groups(list(names)).items():
        found[names[group]] = {member.group_instance_id for member in future.result().members}
    return found


def test_a_partition_that_was_paused_in_a_rebalance_is_read_on_after_it(
    installation: Installation, products: list[Product]
) -> None:
    small = {"window_batches": 1, "batch_products": 16, "drain_seconds": 0}
    with installation.worker("intake", **small) as intake:
        places = installation.publish_products(products[:4_000])
        # Nobody works on the batches, so every partition fills up and pauses.
        wait_until(
            lambda: intake.metric("shelfwise_events_received_total") >= PARTITIONS * 9 * 16, "all partitions full"
        )
        with installation.worker("intake", **small) as other:
            assert other.stop() == 0
        with installation.worker("recall", "ranking"):
            installation.wait_until_committed()
    assert by_source(decisions(installation)).keys() == set(places)


def test_a_worker_that_is_told_to_stop_finishes_what_is_in_flight_and_repeats_nothing(
    installation: Installation, products: list[Product]
) -> None:
    with installation.worker(drain_seconds=60) as worker:
        [model] = running(worker.process_id, "streams.model_process")
        with frozen(model):  # or it might decide all before it is told
            places = installation.publish_products(products)
            wait_until(lambda: worker.metric("shelfwise_batches_in_flight") > 0, "batches in flight")
            worker.terminate()
            wait_until(lambda: "stopping" in worker.log.read_text(), "it is told to stop")
        assert worker.wait() == 0
    assert decisions(installation)
    assert installation.uncommitted()
    with installation.worker():
        installation.wait_until_committed()
    all_decisions = decisions(installation)
    assert by_source(all_decisions).keys() == set(places)
    repeated = Counter(decision.decision_id for decision in all_decisions)
    assert max(repeated.values()) == 1
