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
from streams.intake.window import Window

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
    assert waits[:6] == [10, 20, 40, 80, 160, 160]


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
    """Whatever completes in whatever order: the watermark is what a naive reading of all events says."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.window = Window(5, 10, self.clock)
        self.offset = 0
        self.undone: dict[int, int] = {}
        self.open: dict[str, PackedBatch] = {}
        self.watermark = 0

    @precondition(lambda self: not self.window.full)
    @rule(kinds=st.lists(st.booleans(), min_size=1, max_size=4))
    def send(self, kinds: list[bool]) -> None:
        events = [good(self.offset + i) if kind else bad(self.offset + i) for i, kind in enumerate(kinds)]
        self.offset += len(kinds)
        batch = pack("t", 0, events)
        item = self.window.open(batch)
        item.letters_outstanding = 0
        if batch.originals:
            self.open[batch.message.batch_id] = batch

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        batch = self.open.pop(data.draw(st.sampled_from(sorted(self.open))))
        assert self.window.complete(batch.message.batch_id, outcomes(batch)) is not None

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        assert {item.batch.message.batch_id for item in self.window.due()} <= set(self.open)

    @rule()
    def settle(self) -> None:
        for item in self.window.settle():
            assert item.batch.first_offset == self.watermark
            self.watermark = item.batch.last_offset + 1
        first = min((batch.first_offset for batch in self.open.values()), default=self.offset)
        assert self.watermark == first

    @invariant()
    def nothing_open_is_below_the_watermark(self) -> None:
        assert all(batch.first_offset >= self.watermark for batch in self.open.values())


TestWindowMachine = WindowMachine.TestCase


def intake(window: Window, batch_products: int = 4) -> PartitionIntake:
    return PartitionIntake("t", 0, batch_products, window)


def test_a_partial_batch_waits_while_others_are_in_flight() -> None:
    state = intake(Window(8, 10, Clock()))
    sent = []
    for offset in range(10):
        state.add(good(offset))
        if (batch := state.next_batch()) is not None:
            state.window.open(batch)
            sent.append((batch.first_offset, batch.last_offset))
    assert sent == [(0, 0), (1, 1), (2, 5), (6, 9)]


def test_reading_stops_while_the_window_is_full_and_goes_on_when_it_empties() -> None:
    state = intake(Window(1, 10, Clock()))
    offset = 0
    while not state.overfull:
        state.add(good(offset))
        offset += 1
        if (batch := state.next_batch()) is not None:
            state.window.open(batch)
    assert offset == 1 + 8 * 4
    assert not state.hungry
    assert state.processed_offset == 0
    while not state.hungry:
        oldest = state.window.oldest
        assert oldest is not None
        state.window.complete(oldest.batch.message.batch_id, outcomes(oldest.batch))
        state.window.settle()
        batch = state.next_batch()
        assert batch is not None
        state.window.open(batch)
    assert not state.overfull


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
