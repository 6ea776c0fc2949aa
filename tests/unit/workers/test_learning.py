"""What is counted equals a recount, in whatever order and however often events and changes come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidEvent
from schemas.events.codec import encode
from schemas.events.decision import Category, CategoryAssigned, NeedsReview
from schemas.events.learning import Said
from schemas.events.position import SourcePosition
from schemas.events.review import ReviewDecided, decode_verdict
from schemas.events.statistics import StatisticsChanged
from tests.decisions import assigned, needs_review, verdict
from tests.learned_statistics import recount
from workers import learning
from workers.learning import KeyStatistics, ProductState, Source

_TOPICS: tuple[Source, ...] = ("assigned", "needs_review", "verdict")


def _assigned(category: str, *, at: int = 0, **said: Any) -> CategoryAssigned:
    node, place = Category(category, (category,)), SourcePosition("products", 0, at)
    return assigned(category=node, source=place, brand="ACME", stores=("Shop One",), **said)


def _asked(at: int) -> NeedsReview:
    return needs_review(source=SourcePosition("products", 0, at), brand="Acme")


def _after(*events: tuple[Source, Said]) -> ProductState:
    state = ProductState()
    for place, (source, said) in enumerate(events):
        before = state
        state, _ = learning.apply(before, source, said, SourcePosition(source, 0, place))
        assert state is not before
    return state


def _decision(event: CategoryAssigned | NeedsReview, offset: int) -> tuple[Source, Said]:
    source: Source = "assigned" if isinstance(event, CategoryAssigned) else "needs_review"
    return source, learning.said_by_decision(event, offset, 0.95)


def _judged(said: ReviewDecided) -> tuple[Source, Said]:
    return "verdict", learning.said_by_verdict(said, 0)


def test_a_sure_assignment_counts_once_for_brand_and_store() -> None:
    state = _after(_decision(_assigned("lamps"), 0))
    expected = {("brand", "acme"): ("lamps", 1.0), ("store", "shop one"): ("lamps", 1.0)}
    assert learning.contributions(state) == expected


@pytest.mark.parametrize("event", [_assigned("lamps", confidence=0.94), _assigned("lamps", backed_off=True)])
def test_an_unsure_assignment_counts_nothing(event: CategoryAssigned) -> None:
    assert learning.contributions(_after(_decision(event, 0))) == {}


def test_a_decision_that_repeats_a_verdict_counts_nothing_of_its_own() -> None:
    repeated = _assigned("lamps", review_id="r")
    assert not learning.contributions(_after(_decision(repeated, 0)))


def test_a_later_request_for_review_takes_the_assignment_back() -> None:
    state = _after(_decision(_assigned("lamps", at=1), 0), _decision(_asked(at=2), 0))
    assert learning.contributions(state) == {}
    earlier = _after(_decision(_assigned("lamps", at=2), 0), _decision(_asked(at=1), 0))
    assert learning.contributions(earlier)["brand", "acme"] == ("lamps", 1.0)


def test_a_verdict_overrides_with_weight_three_and_the_decisions_brand() -> None:
    state = _after(_decision(_assigned("lamps"), 0), _judged(verdict("desks")))
    assert learning.contributions(state)["brand", "acme"] == ("desks", 3.0)


def test_the_tags_of_a_verdict_count_and_those_of_a_decision_do_not() -> None:
    decided = _assigned("lamps", tags=("Desk",))
    judged = verdict("desks", tags=("Desk", "DESK!", "For the  office", "!"))
    state = _after(_decision(decided, 0))
    assert not any(kind == "tag" for kind, _ in learning.contributions(state))
    found = learning.contributions(_after(_decision(decided, 0), _judged(judged)))
    assert {key: found[key] for key in found if key[0] == "tag"} == {
        ("tag", "desk"): ("desks", 3.0),
        ("tag", "for the office"): ("desks", 3.0),
    }


def test_a_verdict_of_nowhere_counts_nothing() -> None:
    state = _after(_decision(_assigned("lamps"), 0), _judged(verdict(None)))
    assert learning.contributions(state) == {}


def test_a_verdict_ahead_of_its_decision_counts_for_its_own_brand() -> None:
    state = _after(_judged(verdict("desks", brand="Acme")))
    assert learning.contributions(state) == {("brand", "acme"): ("desks", 3.0)}


def test_a_removed_product_takes_everything_away() -> None:
    state = _after(
        _decision(_assigned("lamps"), 0),
        _judged(verdict("desks")),
        ("assigned", learning.said_by_tombstone(1)),
    )
    assert learning.contributions(state) == {}


def test_an_event_that_is_delivered_again_changes_no_state_but_can_tell_its_changes() -> None:
    position = SourcePosition("assigned", 0, 7)
    source, said = _decision(_assigned("lamps"), 7)
    state, changes = learning.apply(ProductState(), source, said, position)
    assert [change.key for change in changes] == ["acme", "shop one"]
    again, repeated = learning.apply(state, source, said, position)
    assert again is state
    assert repeated == changes


def test_a_change_that_a_key_holds_is_not_applied_again() -> None:
    change = StatisticsChanged(
        kind="brand", key="acme", source=SourcePosition("a", 1, 5), added_category="lamps", added_weight=1.0
    )
    value, new = learning.apply_changes(KeyStatistics(), [change, change])
    assert (value, new) == (KeyStatistics({"lamps": 1.0}, {"a-1": 5}), 1)
    assert learning.apply_changes(value, [change]) == (value, 0)


_said = st.builds(
    lambda category, brand, stores, decided, removed: (
        Said(0, removed=True) if removed else Said(0, decided, category, brand, stores)
    ),
    st.sampled_from([None, "a", "b", "c"]),
    st.sampled_from([None, "Brand", "brand ", "Other"]),
    st.lists(st.sampled_from(["s1", "S1", "s2"]), max_size=3).map(tuple),
    st.integers(0, 20),
    st.booleans(),
)
_event = st.tuples(st.sampled_from(["p1", "p2", "p3"]), st.sampled_from(_TOPICS), _said)


@given(st.lists(_event, max_size=25), st.data())
def test_counts_equal_a_recount_whatever_is_delivered_again(
    events: list[tuple[str, Source, Said]], data: st.DataObject
) -> None:
    """Each topic is a log: its reader goes back to any earlier place, and changes arrive once or twice."""
    logs: dict[Source, list[tuple[str, Said]]] = {topic: [] for topic in _TOPICS}
    for product, topic, said in events:
        offset = len(logs[topic])
        logs[topic].append(
            (product, Said(offset, said.decided, said.category, said.brand, said.stores, said.removed))
        )
    states: dict[str, ProductState] = {}
    counted: dict[tuple[str, str], KeyStatistics] = {}
    read = dict.fromkeys(_TOPICS, 0)
    while any(read[topic] < len(logs[topic]) for topic in _TOPICS):
        topic = data.draw(st.sampled_from([topic for topic in _TOPICS if read[topic] < len(logs[topic])]))
        product, said = logs[topic][read[topic]]
        position = SourcePosition(topic, 0, said.offset)
        states[product], changes = learning.apply(states.get(product, ProductState()), topic, said, position)
        for change in changes * data.draw(st.integers(1, 2)):
            key = (change.kind, change.key)
            counted[key], _ = learning.apply_changes(counted.get(key, KeyStatistics()), [change])
        read[topic] += 1
        if data.draw(st.integers(0, 9)) == 0:  # delivered again from an earlier place
            read[topic] = data.draw(st.integers(0, read[topic]))
    weights = {key: value.weights for key, value in counted.items() if value.weights}
    assert weights == recount(states)
    for state in states.values():
        latest = {topic: getattr(state, topic) for topic in _TOPICS}
        assert all(said is None or said.offset < len(logs[topic]) for topic, said in latest.items())


def test_a_verdict_has_no_more_stores_than_a_product() -> None:
    """What is kept of it would outgrow the changelog, which no product's does."""
    said = verdict("lamps", stores=tuple(map(str, range(101))))
    with pytest.raises(InvalidEvent, match="stores"):
        decode_verdict(encode(said), said.product_id.encode())
