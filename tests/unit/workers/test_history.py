from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events.codec import decode, encode
from schemas.events.product import Product
from workers.history import REMOVED, ProductRecord, RecallAction, content_digest, next_action, undecided
from workers.precedence import Newest

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(offset: int, digest: str = "a", minutes: int | None = None, partition: int = 0) -> ProductRecord:
    updated_at = None if minutes is None else START + timedelta(minutes=minutes)
    return ProductRecord(partition, offset, updated_at, digest, offset)


def test_the_first_event_of_a_product_is_decided() -> None:
    assert next_action(None, event(5)) == (RecallAction.DECIDE, event(5))


def test_a_later_event_with_the_same_content_is_unchanged() -> None:
    action, record = next_action(event(5), event(9))
    assert (action, record) == (RecallAction.UNCHANGED, ProductRecord(0, 9, None, "a", 5))


def test_an_event_delivered_again_is_decided_again_since_its_decision_may_never_have_left() -> None:
    assert next_action(event(5), event(5))[0] is RecallAction.DECIDE


def test_an_event_is_decided_again_even_after_a_repeat_of_it_was_found_unchanged() -> None:
    _, record = next_action(event(5), event(9))
    assert next_action(record, event(5))[0] is RecallAction.DECIDE
    assert next_action(record, event(9))[0] is RecallAction.UNCHANGED


def test_it_is_decided_again_by_another_model_too() -> None:
    _, record = next_action(event(5), event(9))
    action, record = next_action(record, event(5, "a, by another model"))
    assert action is RecallAction.DECIDE
    assert next_action(record, event(12, "a, by another model"))[0] is RecallAction.UNCHANGED


def test_an_earlier_event_that_comes_late_is_superseded() -> None:
    assert next_action(event(9), event(5, "b")) == (RecallAction.SUPERSEDED, None)


def test_a_later_event_with_an_older_update_is_superseded() -> None:
    assert next_action(event(5, minutes=10), event(9, "b", minutes=3)) == (RecallAction.SUPERSEDED, None)


def test_an_earlier_event_with_a_newer_update_is_decided() -> None:
    assert next_action(event(9, minutes=3), event(5, "b", minutes=10))[0] is RecallAction.DECIDE


def test_a_dead_letter_sent_again_is_decided_though_nothing_changed() -> None:
    assert next_action(event(5), event(9), again=True) == (RecallAction.DECIDE, event(9))


def test_what_could_not_be_decided_equals_no_content() -> None:
    assert next_action(undecided(event(5)), event(9))[0] is RecallAction.DECIDE


def test_offsets_of_another_partition_say_nothing() -> None:
    assert next_action(event(9, partition=1), event(5))[0] is RecallAction.DECIDE


def test_a_digest_rests_on_content_and_model_and_not_on_the_time_of_update_or_where_the_image_is() -> None:
    lamp = Product(product_id="a", title="lamp", updated_at=START)
    later = Product(product_id="a", title="lamp", updated_at=START + timedelta(days=1))
    elsewhere = Product(product_id="a", title="lamp", image_url="https://images.example/lamp.jpg?expires=1")
    shade = Product(product_id="a", title="lamp shade", updated_at=START)
    assert content_digest(lamp, "1") == content_digest(later, "1") == content_digest(elsewhere, "1")
    assert len({content_digest(lamp, "1"), content_digest(lamp, "2"), content_digest(shade, "1"), REMOVED}) == 4


@given(st.integers(0), st.none() | st.datetimes(timezones=st.just(UTC)), st.text())
def test_a_record_is_read_back_as_it_was_written(offset: int, updated_at: datetime | None, digest: str) -> None:
    record = ProductRecord(3, offset, updated_at, digest, offset)
    assert decode(encode(record), ProductRecord) == record


EVENTS = st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=7)


def one_by_one(minutes: list[int | None]) -> int:
    """Return which event stands: one without a date is as new as the newest date before it."""
    newest, stands = -1, 0
    for offset, date in enumerate(minutes):
        if date is None or date >= newest:
            newest, stands = max(newest, -1 if date is None else date), offset
    return stands


def newest_of(minutes: list[int | None], offsets: list[int]) -> Newest:
    found = Newest()
    for offset in offsets:
        found = found.merge(event(offset, minutes=minutes[offset]).newest)
    return found


@given(EVENTS, st.randoms(use_true_random=False), st.integers(0, 7))
def test_what_stands_hangs_neither_on_the_order_of_arrival_nor_on_how_events_are_cut(
    minutes: list[int | None], chance: random.Random, cut: int
) -> None:
    order = list(range(len(minutes)))
    chance.shuffle(order)
    parts = newest_of(minutes, order[:cut]), newest_of(minutes, order[cut:])
    whole = newest_of(minutes, order + order[:cut])
    assert parts[0].merge(parts[1]) == parts[1].merge(parts[0]) == whole
    assert whole.first_offset == one_by_one(minutes)


@given(EVENTS)
def test_a_record_stands_where_the_events_considered_one_by_one_do(minutes: list[int | None]) -> None:
    record: ProductRecord | None = None
    stands = -1
    for offset, date in enumerate(minutes):
        action, remembered = next_action(record, event(offset, str(offset), date))
        known = remembered or record
        assert known is not None
        record = decode(encode(known), ProductRecord)
        stands = offset if action is RecallAction.DECIDE else stands
    assert record is not None
    assert record.offset == record.decided_offset == stands == one_by_one(minutes)


def test_a_record_of_an_earlier_release_is_read() -> None:
    old = decode(b'[0,7,"2026-01-01T00:03:00Z","a",7]', ProductRecord)
    assert next_action(old, event(9, "b", minutes=2))[0] is RecallAction.SUPERSEDED
    assert next_action(old, event(9, "b"))[0] is RecallAction.DECIDE


def test_an_event_that_is_sent_again_stands_where_it_was_first_published() -> None:
    original = ProductRecord(0, 5, None, "a", 5)
    edit = ProductRecord(0, 7, None, "b", 7)
    copy = ProductRecord(0, 5, None, "a", 9)
    assert next_action(edit, copy, again=True) == (RecallAction.SUPERSEDED, None)
    assert next_action(original, copy, again=True) == (RecallAction.DECIDE, copy)
    assert next_action(copy, copy, again=True)[0] is RecallAction.DECIDE
    assert next_action(copy, edit)[0] is RecallAction.DECIDE
    assert next_action(copy, original) == (RecallAction.UNCHANGED, None)


@dataclass
class Log:
    """Intake as recall sees it: each event is delivered until it has an outcome, in any order, and maybe again.

    A decision counts only when it leaves; one that does not leave is no outcome.
    """

    digests: list[str]
    record: ProductRecord | None = None
    outcome: dict[int, RecallAction] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)

    def deliver(self, offset: int, *, leaves: bool) -> None:
        action, remembered = next_action(self.record, event(offset, self.digests[offset]))
        self.record = remembered or self.record
        if action is RecallAction.DECIDE:
            if not leaves:
                return
            self.left.append(offset)
        self.outcome.setdefault(offset, action)


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from("ab"), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20),
    st.randoms(use_true_random=False),
)
def test_whatever_is_lost_and_delivered_again_the_last_decision_is_of_the_latest_content(
    digests: list[str], deliveries: list[tuple[int, bool]], random: object
) -> None:
    log = Log(digests)
    for offset, leaves in deliveries:
        if offset < len(digests):
            log.deliver(offset, leaves=leaves)
    for offset in range(len(digests)):  # intake sends again what is not completed
        if offset not in log.outcome:
            log.deliver(offset, leaves=True)
    assert sorted(log.outcome) == list(range(len(digests)))
    assert digests[log.left[-1]] == digests[-1]


def test_an_event_is_decided_again_after_a_verdict_though_newer_ones_repeated_its_content() -> None:
    _, record = next_action(event(5, minutes=1), event(9, minutes=2))
    again = ProductRecord(0, 5, START + timedelta(minutes=1), "a", 20)
    assert next_action(record, again, again=True) == (RecallAction.SUPERSEDED, None)
    action, record = next_action(record, again, again=True, judged=5)
    assert (action, record) == (RecallAction.DECIDE, ProductRecord(0, 9, START + timedelta(minutes=2), "a", 20))
    assert next_action(record, event(30, minutes=3))[0] is RecallAction.UNCHANGED
    assert next_action(record, again, again=True, judged=5)[0] is RecallAction.DECIDE, "delivered again"


def test_a_verdict_on_an_earlier_decision_decides_nothing_again() -> None:
    again = ProductRecord(0, 5, None, "a", 20)
    assert next_action(event(9, "b"), again, again=True, judged=5) == (RecallAction.SUPERSEDED, None)
    assert next_action(event(9, REMOVED), again, again=True, judged=5) == (RecallAction.SUPERSEDED, None)
