"""The harness itself: it must find what is lost, what is wrong, and what is doubled."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime

import pytest

from schemas.events.codec import encode
from schemas.events.decision import CategoryAssigned
from schemas.events.position import SourcePosition
from schemas.events.product import Product, decode_product
from tests.decisions import assigned
from tests.fault.harness.account import Outputs, find_differences, standing_events, take_account
from tests.fault.harness.recount import difference
from tests.fault.harness.soak import SoakSample, verdict
from tests.fault.harness.stream import Stream, StreamEvent
from tests.worker_harness import Position


def event(name: str, day: int | None = None, *, gone: bool = False, kind: str = "new") -> StreamEvent:
    date = None if day is None else datetime(2026, 1, day, tzinfo=UTC)
    value = (
        None if gone else encode(Product(product_id=name, title="Cup", brand=f"brand of {day}", updated_at=date))
    )
    return StreamEvent(name.encode(), value, [], kind)


def decision(name: str, offset: int, brand: str) -> CategoryAssigned:
    place = SourcePosition("p", 0, offset)
    return assigned(decision_id=f"d{offset}", product_id=name, source=place, brand=brand)


def outputs(
    completed: dict[int, set[str]],
    decided: dict[int, dict[str, int]] | None = None,
    letters: Counter[int] | None = None,
) -> Outputs:
    found = Outputs()
    found.completed = defaultdict(set, {(0, offset): kinds for offset, kinds in completed.items()})
    found.decided = defaultdict(Counter, {(0, offset): Counter(ids) for offset, ids in (decided or {}).items()})
    found.letters = Counter({(0, offset): count for offset, count in (letters or Counter()).items()})
    return found


def published(*events: StreamEvent) -> dict[Position, StreamEvent]:
    return {(0, offset): item for offset, item in enumerate(events)}


def test_an_event_without_an_outcome_is_lost() -> None:
    account = take_account(published(event("a"), event("b")), outputs({0: {"assigned"}}, {0: {"x": 1}}))
    assert (account.lost, account.undecided) == ([(0, 1)], [])


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (outputs({0: {"assigned"}}), "no decision"),
        (outputs({0: {"assigned"}}, {0: {"x": 1, "y": 1}}), "2 distinct decision ids"),
        (outputs({0: {"dead_letter"}}, letters=Counter({0: 1})), "1 dead letters"),
        (outputs({0: {"removed"}}, {0: {"x": 1}}), "a decision, and"),
    ],
)
def test_an_outcome_that_nothing_bears_out_is_found(seen: Outputs, problem: str) -> None:
    (found,) = take_account(published(event("a")), seen).undecided
    assert problem in found


def test_a_broken_event_needs_a_dead_letter() -> None:
    broken = published(event("a", kind="broken"))
    assert take_account(broken, outputs({0: {"assigned"}}, {0: {"x": 1}})).undecided
    account = take_account(broken, outputs({}, letters=Counter({0: 2})))
    assert (account.undecided, account.duplicate_deliveries) == ([], 1)


def test_what_consumers_see_twice_is_counted() -> None:
    account = take_account(published(event("a")), outputs({0: {"assigned", "unchanged"}}, {0: {"x": 3}}))
    assert (account.undecided, account.duplicate_deliveries, account.outcomes) == ([], 2, {"assigned": 1})


def test_the_latest_date_stands_and_a_removal_takes_its_place_in_the_log() -> None:
    events = published(event("a", 2), event("a", 1, kind="stale"), event("b", 1), event("b", gone=True))
    standing = standing_events(events)
    assert standing["b"] is None
    assert standing["a"] is not None
    assert standing["a"].brand == "brand of 2"


def test_a_stale_edit_does_not_bring_back_what_was_removed() -> None:
    events = published(event("a", 2), event("a", gone=True), event("a", 1, kind="stale"))
    assert standing_events(events) == {"a": None}


def test_a_decision_on_an_older_edit_or_of_a_removed_product_or_on_no_topic_is_a_difference() -> None:
    standing = standing_events(published(event("a", 2), event("b", gone=True), event("c", 1)))
    seen = Outputs()
    seen.standing = {
        "a": {"categories.assigned.v1": decision("a", 0, "brand of 1")},
        "b": {"categories.assigned.v1": decision("b", 1, "x")},
    }
    found = "\n".join(find_differences(standing, seen, None))
    assert "a: the decision on offset 0 is of an older edit" in found
    assert "b was removed" in found
    assert "c stands on no topic" in found
    seen.standing = {
        name: {"categories.assigned.v1": decision(name, 0, f"brand of {day}")}
        for name, day in (("a", 2), ("c", 1))
    }
    assert find_differences(standing, seen, None) == []


def test_a_weight_that_differs_is_a_difference() -> None:
    weights = {("brand", "lumo"): {"c1": 2.0}}
    assert difference(weights, {("brand", "lumo"): {"c1": 2.0}}) == []
    assert len(difference(weights, {("brand", "lumo"): {"c1": 3.0}, ("store", "s"): {"c": 1.0}})) == 2


def test_a_stream_is_made_of_its_seed_and_holds_every_kind_of_event() -> None:
    events = list(Stream(3, 2_000))
    assert events == list(Stream(3, 2_000))
    kinds = Counter(item.kind for item in events)
    assert kinds.keys() == {"new", "edit", "repeat", "resent", "stale", "removed", "revived", "broken", "verdict"}
    assert min(kinds.values()) >= 10
    for item in events:
        if item.kind not in ("broken", "verdict") and item.value is not None:
            decode_product(item.value, item.key)


def sample(minute: int, *, rss: float = 400.0, p99: float = 0.2, lag: int = 50, behind: int = 9) -> SoakSample:
    return SoakSample(
        minute=minute,
        rss_mib=rss,
        p50_seconds=0.1,
        p99_seconds=p99,
        lag_events=lag,
        learning_lag=behind,
        events=1_000,
    )


def test_a_soak_is_flat_or_it_is_said_what_grows() -> None:
    assert verdict([sample(minute, rss=400 + minute % 2) for minute in range(30)], rate=100) == []
    (memory,) = verdict([sample(minute, rss=400 + 5 * minute) for minute in range(30)], rate=100)
    assert "memory" in memory
    (latency,) = verdict([sample(minute, p99=0.2 + 0.1 * minute) for minute in range(30)], rate=100)
    assert "latency" in latency
    (lag,) = verdict([sample(minute, lag=200 * minute) for minute in range(30)], rate=100)
    assert "events" in lag
    (behind,) = verdict([sample(minute, behind=200 * minute) for minute in range(30)], rate=100)
    assert "learning" in behind
