from __future__ import annotations

import gc
import weakref
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.events.batch import EventOutcome, Outcome, ProductBatch
from schemas.events.codec import encode
from schemas.events.product import Product
from streams.intake.packer import PackedBatch, SourceEvent, pack
from streams.intake.partition import MAX_BACKLOG_BYTES, PartitionIntake
from streams.intake.shipment import InFlight, Shipment
from streams.intake.window import Window
from tests.clock import Clock


def good(offset: int) -> SourceEvent:
    value = encode(Product(product_id=str(offset), title="lamp"))
    return SourceEvent(offset, offset, str(offset).encode(), value, [])


def bad(offset: int, size: int = 1) -> SourceEvent:
    return SourceEvent(offset, offset, None, b"{" * size, [])


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


def test_the_events_of_a_settled_batch_leave_memory_at_once_not_with_the_garbage_collector() -> None:
    class Held(list[tuple[str, bytes]]):
        """A list that may be referred to weakly."""

    headers = Held()
    window = Window(4, 10, Clock())
    item = window.open(pack("t", 0, [good(0)._replace(headers=headers)]))
    window.complete(item.batch.message.batch_id, outcomes(item.batch))
    held = weakref.ref(headers)
    del item, headers
    gc.disable()
    try:
        assert len(window.settle()) == 1
        assert held() is None
    finally:
        gc.enable()


def test_a_batch_that_does_not_complete_is_due_after_longer_and_longer_waits(clock: Clock) -> None:
    window = Window(4, 10, clock, attempts=100)
    window.open(pack("t", 0, [good(0)]))
    waits, last = [], 0.0
    for now in range(2_000):
        clock.now = float(now)
        if window.due():
            waits.append(now - last)
            last = now
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600]


def test_a_batch_is_not_sent_again_while_completions_of_others_come_behind_which_it_may_stand(
    clock: Clock,
) -> None:
    window = Window(4, 10, clock)
    first, second = (window.open(pack("t", 0, [good(offset)])) for offset in range(2))
    clock.now = 9
    window.complete(first.batch.message.batch_id, outcomes(first.batch))
    clock.now = 18
    assert window.due() == []
    clock.now = 19
    assert window.due() == second.shipments


def test_a_batch_that_the_broker_refused_is_sent_again_soon_whatever_else_completes(clock: Clock) -> None:
    window = Window(4, 30, clock)
    first, second = (window.open(pack("t", 0, [good(offset)])) for offset in range(2))
    window.refused(second.shipments[0])
    clock.now = 0.2
    window.complete(first.batch.message.batch_id, outcomes(first.batch))
    clock.now = 0.5
    assert window.due() == second.shipments


def test_a_batch_that_the_producer_still_holds_is_not_due_and_then_has_its_whole_time(clock: Clock) -> None:
    window = Window(4, 10, clock)
    (item,) = window.open(pack("t", 0, [good(0)])).shipments
    item.queued = True
    clock.now = 1_000
    assert window.due() == []
    window.acknowledged(item)
    clock.now = 1_009
    assert window.due() == []
    clock.now = 1_010
    assert window.due() == [item]


def test_a_batch_that_the_broker_refuses_is_due_after_a_backoff_and_never_given_up(clock: Clock) -> None:
    window = Window(4, 100, clock, attempts=1)
    (item,) = window.open(pack("t", 0, [good(0), good(1)])).shipments
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
    shipment = window.complete(batch.message.batch_id, claimed)
    assert shipment is not None
    assert shipment.of.outcomes == [EventOutcome(0, Outcome.SUPERSEDED), EventOutcome(1, Outcome.ASSIGNED)]


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


def test_a_poison_event_is_found_by_halving_and_its_neighbours_are_done(clock: Clock) -> None:
    """A batch of eight, one of which is never done, before a batch that is: 3 attempts, 3 halvings, 3 attempts."""
    poison, count = 5, 8
    window = Window(4, 10, clock, attempts=3)
    item = window.open(pack("t", 0, [good(offset) for offset in range(count)]))
    neighbour = window.open(pack("t", 0, [good(count)]))
    window.complete(neighbour.batch.message.batch_id, outcomes(neighbour.batch))
    sent: list[list[int]] = []
    while not item.done and clock.now < 10_000:
        clock.now += 1
        for shipment in window.due():
            offsets = [product.offset for product in shipment.message.products]
            sent.append(offsets)
            if poison not in offsets:
                window.complete(shipment.message.batch_id, [EventOutcome(o, Outcome.ASSIGNED) for o in offsets])
    whole = list(range(count))
    assert sent == [whole, whole, [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [6, 7], [4], [5], [5], [5], [5]]
    assert item.outcomes is not None
    failed = [outcome for outcome in item.outcomes if outcome.outcome is Outcome.FAILED]
    assert [outcome.offset for outcome in failed] == [poison]
    assert failed[0].detail == "intake: gave up after 8 attempts, the last of them alone"
    assert len(item.outcomes) == count
    assert [settled.batch.last_offset for settled in window.settle()] == [count - 1, count]


def test_nothing_is_given_up_while_nothing_else_comes_through_either(clock: Clock) -> None:
    """Ranking is down for a day, and recall still completes by itself what did not change."""
    window = Window(8, 10, clock, attempts=2)
    items = [window.open(pack("t", 0, [good(3 * n + i) for i in range(3)])) for n in range(4)]
    unchanged = [EventOutcome(offset, Outcome.UNCHANGED) for offset in items[-1].batch.originals]
    window.complete(items[-1].batch.message.batch_id, unchanged)
    for _ in range(24 * 360):
        clock.now += 10
        assert all(shipment.awaited for shipment in window.due())
    assert window.waiting == 3


def test_a_lone_poison_event_on_an_idle_partition_is_given_up_once_a_probe_comes_through(clock: Clock) -> None:
    window = Window(4, 10, clock, attempts=3)
    item = window.open(pack("t", 0, [good(0)]))
    probes = []
    while not item.done and clock.now < 1_000:
        clock.now += 1
        window.due()
        if (probe := window.probe()) is not None:
            assert probe.probe
            assert not probe.products
            probes.append(probe)
            assert window.complete(probe.batch_id, []) is None
    assert [outcome.outcome for outcome in item.outcomes or ()] == [Outcome.FAILED]
    assert len(probes) == 1


def test_an_event_is_given_up_though_the_window_is_full_of_what_recall_alone_can_complete(clock: Clock) -> None:
    window = Window(3, 10, clock, attempts=2)
    poison = window.open(pack("t", 0, [good(0)]))
    while not window.full:
        item = window.open(pack("t", 0, [good(len(window))]))
        unchanged = [EventOutcome(offset, Outcome.UNCHANGED) for offset in item.batch.originals]
        window.complete(item.batch.message.batch_id, unchanged)
    while not poison.done and clock.now < 1_000:
        clock.now += 1
        window.due()
        if (probe := window.probe()) is not None:
            window.complete(probe.batch_id, [])
    assert len(window.settle()) == 3


def test_a_probe_tells_nothing_of_what_was_sent_after_it(clock: Clock) -> None:
    window = Window(4, 10, clock, attempts=1)
    window.open(pack("t", 0, [good(0)]))
    clock.now = 10
    window.due()
    probe = window.probe()
    assert probe is not None
    (later,) = window.open(pack("t", 0, [good(1)])).shipments
    window.complete(probe.batch_id, [])
    assert not later.overtaken


class IntakeMachine(RuleBasedStateMachine):
    """One partition through owners that come and go; its downstream does as it likes, and two events are poison.

    Whatever completes, fails, repeats, is late, lost, refused or split, in any order: no commit passes an event
    without its outcome, each event settles once and only once with an owner, and none is given up that was not
    sent alone as often as it must be, and then overtaken by what came through ranking.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.source: list[SourceEvent] = []
        self.poison: set[int] = set()
        self.committed = 0
        self.letters: list[InFlight] = []
        self.log: list[Shipment] = []
        self.settled: Counter[int] = Counter()
        self.begin()

    def begin(self) -> None:
        """A new owner: it knows what was committed, and nothing else."""
        self.state = intake(Window(5, 10, self.clock, attempts=2))
        self.state.next_offset = self.read = self.committed
        self.letters, self.log = [], []
        self.probes: list[tuple[int, ProductBatch]] = []
        self.sent: list[str] = []
        self.ranked_until = -1
        self.settled.clear()

    @rule(kinds=st.lists(st.sampled_from("gggggbp"), min_size=1, max_size=6))
    def publish(self, kinds: list[str]) -> None:
        for kind in kinds:
            offset = len(self.source)
            if kind == "p" and len(self.poison) < 2:
                self.poison.add(offset)
            self.source.append(bad(offset) if kind == "b" else good(offset))

    @rule(back=st.integers(0, 3))
    def fetch(self, back: int) -> None:
        """Kafka delivers what comes next, and some of it twice."""
        oldest = self.state.processed_offset or 0
        for event in self.source[max(self.read - back, oldest) : self.read + 5]:
            self.state.add(event)
        self.read = max(self.read, min(self.read + 5, len(self.source)))

    @rule(queued=st.booleans(), probe=st.booleans())
    def send(self, queued: bool, probe: bool) -> None:
        batch = self.state.next_batch(2 if probe else None)
        if batch is None:
            return
        item = self.state.window.open(batch)
        self.letters += [item] * len(batch.rejected)
        for shipment in item.shipments:
            shipment.queued = queued
            self.ship(shipment)

    def ship(self, shipment: Shipment) -> None:
        self.log.append(shipment)
        self.sent.append(shipment.message.batch_id)

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def answer_the_producer(self, data: st.DataObject) -> None:
        shipment = data.draw(st.sampled_from(self.log))
        window = self.state.window
        if shipment.awaited:
            data.draw(st.sampled_from((window.refused, window.acknowledged)))(shipment)

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        """Any message that was ever sent may be answered, early, late or again: but not one that holds poison."""
        shipment = data.draw(st.sampled_from(self.log))
        products = shipment.message.products
        if self.poison.intersection(product.offset for product in products):
            return
        known = shipment.awaited and shipment in shipment.of.shipments
        kinds = st.sampled_from((Outcome.ASSIGNED, Outcome.UNCHANGED, Outcome.FAILED))
        found = [EventOutcome(product.offset, data.draw(kinds)) for product in products]
        assert (self.state.window.complete(shipment.message.batch_id, found) is shipment) is known
        if known:
            self.bury(shipment)
            if any(outcome.outcome is Outcome.ASSIGNED for outcome in found):
                self.come_through(self.sent.index(shipment.message.batch_id))

    def come_through(self, place: int) -> None:
        """What was first sent there came through ranking."""
        self.ranked_until = max(self.ranked_until, place)

    @precondition(lambda self: self.probes)
    @rule(data=st.data())
    def complete_a_probe(self, data: st.DataObject) -> None:
        place, probe = data.draw(st.sampled_from(self.probes))
        assert self.state.window.complete(probe.batch_id, []) is None
        self.come_through(place)

    def bury(self, shipment: Shipment) -> None:
        failed = [outcome for outcome in shipment.outcomes or () if outcome.outcome is Outcome.FAILED]
        shipment.of.letters_outstanding += len(failed)
        self.letters += [shipment.of] * len(failed)

    @precondition(lambda self: self.letters)
    @rule(data=st.data())
    def acknowledge_a_letter(self, data: st.DataObject) -> None:
        self.letters.pop(data.draw(st.integers(0, len(self.letters) - 1))).letters_outstanding -= 1

    @rule(seconds=st.floats(0, 700))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        for shipment in self.state.window.due():
            assert not shipment.queued
            if shipment.awaited:
                shipment.queued = True
                self.ship(shipment)
                continue
            assert len(shipment.message.products) == 1
            assert self.sent.count(shipment.message.batch_id) >= 2
            assert self.halves_begin(shipment) <= self.ranked_until
            self.bury(shipment)
        if (probe := self.state.window.probe()) is not None:
            self.probes.append((len(self.sent) - 1, probe))

    def halves_begin(self, shipment: Shipment) -> int:
        """Return where it was first sent, or the half beside it, which was sent in the same turn."""
        place = self.sent.index(shipment.message.batch_id)
        return place - 1 if shipment.is_part else place

    @rule()
    def settle(self) -> None:
        for item in self.state.window.settle():
            assert item.batch.first_offset == self.committed
            self.committed = item.batch.last_offset + 1
            offsets = [outcome.offset for outcome in item.outcomes or ()]
            assert offsets == list(range(item.batch.first_offset, self.committed))
            self.settled.update(offsets)

    @rule()
    def lose_the_partition(self) -> None:
        self.begin()

    @invariant()
    def nothing_is_committed_past_an_event_without_its_outcome(self) -> None:
        assert max(self.settled.values(), default=1) == 1
        undone = [item.batch.first_offset for item in self.letters]
        undone += [s.of.batch.first_offset for s in self.log if s.awaited and s in s.of.shipments]
        assert min(undone, default=len(self.source)) >= self.committed
        assert self.state.processed_offset is not None
        assert self.state.processed_offset >= self.committed

    def teardown(self) -> None:
        """Once downstream does its work, everything gets done, though the feed is silent and poison left alone."""
        for _ in range(4_000):
            self.fetch(0)
            self.send(queued=False, probe=False)
            self.wait(11)
            for shipment in list(self.log):
                offsets = [product.offset for product in shipment.message.products]
                if shipment.awaited and shipment in shipment.of.shipments and not self.poison & set(offsets):
                    shipment.queued = False
                    decided = [EventOutcome(offset, Outcome.ASSIGNED) for offset in offsets]
                    self.state.window.complete(shipment.message.batch_id, decided)
                    self.come_through(self.sent.index(shipment.message.batch_id))
                elif shipment.queued:
                    self.state.window.acknowledged(shipment)
            for place, probe in self.probes:
                self.state.window.complete(probe.batch_id, [])
                self.come_through(place)
            self.probes.clear()
            for item in self.letters:
                item.letters_outstanding -= 1
            self.letters.clear()
            self.settle()
            if self.committed == len(self.source):
                return
        raise AssertionError(f"stuck at {self.committed} of {len(self.source)}")


TestIntakeMachine = IntakeMachine.TestCase


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
    assert offset == 1 + 32 * 4
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


def test_a_partial_batch_does_not_wait_forever_behind_batches_that_hang(clock: Clock) -> None:
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


def test_a_partial_batch_leaves_with_those_of_other_partitions_or_after_a_quarter_of_a_second(
    clock: Clock,
) -> None:
    state = intake(Window(8, 10, clock))
    state.add(good(0))
    must_send = [state.must_send]
    assert state.next_batch(joins=False) is None
    clock.now = 0.25
    must_send.append(state.must_send)
    batch = state.next_batch(joins=False)
    assert batch is not None
    state.window.open(batch)
    for offset in range(1, 4):
        state.add(good(offset))
    must_send.append(state.must_send)
    assert state.next_batch(joins=True) is None
    state.add(good(4))
    must_send.append(state.must_send)
    assert state.next_batch(joins=False) is not None
    assert must_send == [False, True, False, True]


def test_an_event_that_is_held_is_not_taken_in_twice() -> None:
    state = intake(Window(8, 10, Clock()))
    assert [state.add(good(offset)) for offset in (5, 6, 5, 6, 7)] == [True, True, False, False, True]
    batch = state.next_batch()
    assert batch is not None
    state.window.open(batch)
    assert not state.add(good(6))
    assert sorted(batch.originals) == [5, 6, 7]


def test_an_event_below_all_that_is_held_tells_of_a_recreated_topic() -> None:
    state = intake(Window(8, 10, Clock()))
    for offset in (5, 6):
        state.add(good(offset))
    assert [state.was_recreated(offset) for offset in (4, 5, 6, 7)] == [True, False, False, False]


def test_what_was_not_packed_is_not_processed_when_the_backlog_is_dropped() -> None:
    state = intake(Window(1, 10, Clock()))
    for offset in range(8):
        state.add(good(offset))
    state.drop_backlog()
    assert (state.processed_offset, state.idle) == (0, True)


@pytest.mark.parametrize("of_headers", [False, True])
def test_few_large_events_stop_reading_as_many_small_ones_do(of_headers: bool) -> None:
    state = intake(Window(1, 10, Clock()), batch_products=64)
    overfull = []
    for offset in range(2):
        event = bad(offset, MAX_BACKLOG_BYTES // 2)
        if of_headers and event.value is not None:
            event = event._replace(value=b"", headers=[("trace", event.value)])
        state.add(event)
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


def test_a_batch_that_is_decided_awaits_the_broker_alone_until_it_is_sent_again(clock: Clock) -> None:
    window = Window(4, 10, clock)
    batch = pack("t", 0, [good(0)])
    window.open(batch)
    assert window.at_work
    window.decided(batch.message.batch_id)
    assert (window.at_work, window.waiting) == (False, 1)
    clock.now = 10.0
    assert [shipment.attempt for shipment in window.due()] == [2]
    assert window.at_work
    window.complete(batch.message.batch_id, outcomes(batch))
    assert not window.at_work


def test_word_of_an_unknown_batch_changes_nothing() -> None:
    window = Window(4, 10, Clock())
    window.open(pack("t", 0, [good(0)]))
    window.decided("another")
    assert window.at_work


def test_the_next_batch_leaves_when_the_one_before_is_decided_though_the_broker_has_not_acknowledged_it() -> None:
    state = PartitionIntake("t", 0, 8, Window(4, 10, Clock()), next_offset=0)
    state.add(good(0))
    first = state.next_batch()
    assert first is not None
    state.window.open(first)
    state.add(good(1))
    assert state.next_batch() is None
    state.window.decided(first.message.batch_id)
    assert state.next_batch() is not None


def test_what_comes_through_by_one_way_says_nothing_of_what_went_by_the_other() -> None:
    window = Window(4, 10, Clock())
    slow, quick = (window.open(pack("t", 0, [good(offset)])) for offset in range(2))
    quick.shipments[0].local = True
    window.complete(quick.batch.message.batch_id, outcomes(quick.batch))
    assert not slow.shipments[0].overtaken
    third = window.open(pack("t", 0, [good(2)]))
    window.complete(third.batch.message.batch_id, outcomes(third.batch))
    assert slow.shipments[0].overtaken
