from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.events.batch import EventOutcome, Outcome
from schemas.events.codec import encode
from schemas.events.product import Product
from streams.intake.packer import PackedBatch, SourceEvent, pack
from streams.intake.partition import MAX_BACKLOG_BYTES, PartitionIntake
from streams.intake.window import InFlight, Window

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def good(offset: int) -> SourceEvent:
    value = encode(Product(product_id=str(offset), title="lamp"))
    return SourceEvent(offset, offset, str(offset).encode(), value, list)


def bad(offset: int, size: int = 1) -> SourceEvent:
    return SourceEvent(offset, offset, None, b"{" * size, list)


def outcomes(batch: PackedBatch) -> list[EventOutcome]:
    decided = [EventOutcome(offset, Outcome.ASSIGNED) for offset in batch.originals]
    return [*decided, *batch.message.settled]


def test_a_batch_is_settled_only_when_all_before_it_are() -> None:
    window = Window(4, 10, Clock())
    batches = [pack("t", 0, [good(offset)]) for offset in range(3)]
    for batch in batches:
        window.open(batch)
    window.complete(batches[1].message.batch_id, outcomes(batches[1]))
    assert window.settle() == []
    window.complete(batches[0].message.batch_id, outcomes(batches[0]))
    assert [item.batch.last_offset for item in window.settle()] == [0, 1]
    assert window.oldest is not None
    assert window.oldest.batch is batches[2]


def test_a_batch_with_a_dead_letter_under_way_is_not_done() -> None:
    window = Window(4, 10, Clock())
    item = window.open(pack("t", 0, [bad(0)]))
    assert window.settle() == []
    item.letters_outstanding -= 1
    assert window.settle() == [item]


def test_a_batch_that_does_not_complete_is_due_after_longer_and_longer_waits() -> None:
    clock = Clock()
    window = Window(4, 10, clock)
    window.open(pack("t", 0, [good(0)]))
    waits, last = [], 0.0
    for now in range(2_000):
        clock.now = float(now)
        if window.due():
            waits.append(now - last)
            last = now
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600]


def test_a_batch_is_not_sent_again_while_completions_of_others_come_behind_which_it_may_stand() -> None:
    clock = Clock()
    window = Window(4, 10, clock)
    first, second = (window.open(pack("t", 0, [good(offset)])) for offset in range(2))
    clock.now = 9
    window.complete(first.batch.message.batch_id, outcomes(first.batch))
    clock.now = 18
    assert window.due() == []
    clock.now = 19
    assert window.due() == [second]


def test_a_batch_that_the_producer_still_holds_is_not_due_and_then_has_its_whole_time() -> None:
    clock = Clock()
    window = Window(4, 10, clock)
    item = window.open(pack("t", 0, [good(0)]))
    item.queued = True
    clock.now = 1_000
    assert window.due() == []
    window.acknowledged(item)
    clock.now = 1_009
    assert window.due() == []
    clock.now = 1_010
    assert window.due() == [item]


def test_a_batch_that_the_broker_refuses_is_due_after_a_backoff_and_never_given_up() -> None:
    clock = Clock()
    window = Window(4, 100, clock)
    item = window.open(pack("t", 0, [good(0)]))
    waits = []
    for _ in range(9):
        item.queued = True
        window.refused(item)
        refused_at = clock.now
        while not window.due():
            clock.now += 0.5
        waits.append(clock.now - refused_at)
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert item.attempt == 10


def test_a_completion_says_nothing_new_of_what_intake_settled() -> None:
    window = Window(4, 10, Clock())
    batch = pack("t", 0, [good(0), good(0)._replace(offset=1)])
    window.open(batch)
    claimed = [EventOutcome(0, Outcome.FAILED), EventOutcome(1, Outcome.ASSIGNED), EventOutcome(9, Outcome.FAILED)]
    item = window.complete(batch.message.batch_id, claimed)
    assert item is not None
    assert item.outcomes == [EventOutcome(0, Outcome.SUPERSEDED), EventOutcome(1, Outcome.ASSIGNED)]


def test_a_completion_that_omits_an_event_changes_nothing() -> None:
    window = Window(4, 10, Clock())
    batch = pack("t", 0, [good(0), good(1)])
    window.open(batch)
    with pytest.raises(ValueError, match=r"says nothing of offsets \[1\]"):
        window.complete(batch.message.batch_id, [EventOutcome(0, Outcome.ASSIGNED)])
    assert window.waiting == 1


def test_completions_of_unknown_or_completed_batches_are_no_news() -> None:
    window = Window(4, 10, Clock())
    batch = pack("t", 0, [good(0)])
    assert window.complete(batch.message.batch_id, outcomes(batch)) is None
    window.open(batch)
    assert window.complete(batch.message.batch_id, outcomes(batch)) is not None
    assert window.complete(batch.message.batch_id, outcomes(batch)) is None


class WindowMachine(RuleBasedStateMachine):
    """Whatever completes, fails, repeats or is late, in any order: no commit passes an event without outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.window = Window(5, 10, self.clock)
        self.offset = 0
        self.awaited: dict[str, InFlight] = {}
        self.known: list[PackedBatch] = []
        self.letters: list[tuple[InFlight, int]] = []
        self.watermark = 0

    @precondition(lambda self: not self.window.full)
    @rule(kinds=st.lists(st.booleans(), min_size=1, max_size=4), queued=st.booleans())
    def send(self, kinds: list[bool], queued: bool) -> None:
        events = [good(self.offset + i) if kind else bad(self.offset + i) for i, kind in enumerate(kinds)]
        self.offset += len(kinds)
        batch = pack("t", 0, events)
        item = self.window.open(batch)
        self.known.append(batch)
        self.letters += [(item, rejected.event.offset) for rejected in batch.rejected]
        if batch.originals:
            item.queued = queued
            self.awaited[batch.message.batch_id] = item

    @precondition(lambda self: self.awaited)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        item = self.awaited.pop(data.draw(st.sampled_from(sorted(self.awaited))))
        assert self.window.complete(item.batch.message.batch_id, outcomes(item.batch)) is item
        failed = data.draw(st.sets(st.sampled_from(sorted(item.batch.originals))))
        item.letters_outstanding += len(failed)
        self.letters += [(item, offset) for offset in failed]

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def repeat_a_completion(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(self.known))
        if batch.message.batch_id not in self.awaited:
            assert self.window.complete(batch.message.batch_id, outcomes(batch)) is None

    @precondition(lambda self: self.letters)
    @rule(data=st.data())
    def acknowledge_a_letter(self, data: st.DataObject) -> None:
        item, _ = self.letters.pop(data.draw(st.integers(0, len(self.letters) - 1)))
        item.letters_outstanding -= 1

    @precondition(lambda self: self.awaited)
    @rule(data=st.data(), refused=st.booleans())
    def answer_the_producer(self, data: st.DataObject, refused: bool) -> None:
        item = self.awaited[data.draw(st.sampled_from(sorted(self.awaited)))]
        (self.window.refused if refused else self.window.acknowledged)(item)

    @rule(seconds=st.floats(0, 700))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        held = {name for name, item in self.awaited.items() if item.queued}
        due = [item.batch.message.batch_id for item in self.window.due()]
        assert set(due) <= set(self.awaited) - held
        if seconds >= 600:
            assert set(due) == set(self.awaited) - held

    @rule()
    def settle(self) -> None:
        for item in self.window.settle():
            assert item.batch.first_offset == self.watermark
            self.watermark = item.batch.last_offset + 1

    @invariant()
    def no_event_without_outcome_is_below_the_watermark(self) -> None:
        undecided = [offset for item in self.awaited.values() for offset in item.batch.originals]
        undecided += [offset for _, offset in self.letters]
        assert min(undecided, default=self.offset) >= self.watermark

    def teardown(self) -> None:
        for item in self.awaited.values():
            self.window.complete(item.batch.message.batch_id, outcomes(item.batch))
        for item, _ in self.letters:
            item.letters_outstanding -= 1
        self.awaited, self.letters = {}, []
        self.settle()
        assert (self.watermark, len(self.window)) == (self.offset, 0)


TestWindowMachine = WindowMachine.TestCase


def intake(window: Window, batch_products: int = 4) -> PartitionIntake:
    return PartitionIntake("t", 0, batch_products, window)


def test_a_partial_batch_waits_while_another_is_in_flight() -> None:
    state = intake(Window(8, 10, Clock()))
    sent = []
    for offset in range(10):
        state.add(good(offset))
        if (batch := state.next_batch()) is not None:
            state.window.open(batch)
            sent.append((batch.first_offset, batch.last_offset))
    assert sent == [(0, 0), (1, 4), (5, 8)]


def test_reading_stops_while_the_window_is_full_and_goes_on_when_it_empties() -> None:
    state = intake(Window(1, 10, Clock()))
    offset = 0
    while not state.overfull:
        state.add(good(offset))
        offset += 1
        if (batch := state.next_batch()) is not None:
            state.window.open(batch)
    assert offset == 1 + 8 * 4
    assert (state.hungry, state.processed_offset) == (False, 0)
    while not state.hungry:
        oldest = state.window.oldest
        assert oldest is not None
        state.window.complete(oldest.batch.message.batch_id, outcomes(oldest.batch))
        state.window.settle()
        batch = state.next_batch()
        assert batch is not None
        state.window.open(batch)
    assert not state.overfull


def test_a_partial_batch_does_not_wait_forever_behind_batches_that_hang() -> None:
    clock = Clock()
    state = intake(Window(8, 10, clock))
    for offset in range(3):
        state.add(good(offset))
        if (batch := state.next_batch()) is not None:
            state.window.open(batch)
    assert state.next_batch() is None
    clock.now = 1.0
    batch = state.next_batch()
    assert batch is not None
    assert (batch.first_offset, batch.last_offset) == (1, 2)


def test_an_event_that_is_held_is_not_taken_in_twice() -> None:
    state = intake(Window(8, 10, Clock()))
    assert [state.add(good(offset)) for offset in (5, 6, 5, 6, 7)] == [True, True, False, False, True]
    batch = state.next_batch()
    assert batch is not None
    state.window.open(batch)
    assert not state.add(good(6))
    assert sorted(batch.originals) == [5, 6, 7]


def test_an_event_below_all_that_is_held_tells_of_a_topic_made_anew() -> None:
    state = intake(Window(8, 10, Clock()))
    for offset in (5, 6):
        state.add(good(offset))
    assert [state.made_anew(offset) for offset in (4, 5, 6, 7)] == [True, False, False, False]


def test_what_was_not_packed_is_not_processed_when_the_backlog_is_dropped() -> None:
    state = intake(Window(1, 10, Clock()))
    for offset in range(8):
        state.add(good(offset))
    state.drop_backlog()
    assert (state.processed_offset, state.idle) == (0, True)


def test_few_large_events_stop_reading_as_many_small_ones_do() -> None:
    state = intake(Window(1, 10, Clock()), batch_products=64)
    overfull = []
    for offset in range(2):
        state.add(bad(offset, MAX_BACKLOG_BYTES // 2))
        overfull.append(state.overfull)
    assert overfull == [False, True]


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=12))
def test_batches_cover_the_partition_without_a_gap_whatever_the_sizes(sizes: list[int]) -> None:
    state = intake(Window(100, 10, Clock()))
    for offset, size in enumerate(sizes):
        state.add(bad(offset, size))
    expected = 0
    while (batch := state.next_batch()) is not None:
        state.window.open(batch)
        assert batch.first_offset == expected
        expected = batch.last_offset + 1
    assert expected == len(sizes)
