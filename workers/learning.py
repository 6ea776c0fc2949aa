"""Learning: what one product adds to the statistics of its brand, stores and tags, and how that changes.

Whatever is delivered twice, the counts converge to a recount of every product's latest state. An event that is not
newer than the last one of its topic changes no state, and a key recognises a repeated change by its position.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, cast

import msgspec

from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.learning import Said
from schemas.events.position import SourcePosition
from schemas.events.review import ReviewDecided
from schemas.events.statistics import StatisticKind, StatisticsChanged
from workers.statistics import normalise_key
from workers.text.tokens import fold

DECISION_WEIGHT: Final = 1.0
VERDICT_WEIGHT: Final = 3.0

Source = Literal["assigned", "needs_review", "verdict"]
Key = tuple[StatisticKind, str]
Contributions = dict[Key, tuple[str, float]]
Packed = tuple[tuple[StatisticKind, str, str, float], ...]


class AppliedEvent(msgspec.Struct, frozen=True, array_like=True):
    """What the event at ``position`` changed: what the product contributed before and after it.

    Contributions are (kind, key, category, weight). ``after`` is ``None`` if it is what the product contributes
    now.
    """

    position: SourcePosition
    before: Packed = ()
    after: Packed | None = ()


class ProductState(msgspec.Struct, frozen=True, array_like=True):
    """What is known about one product.

    ``last_applied`` holds the latest event of each topic, in the order in which they were applied, so that its
    changes can be sent again in case they were never sent. One event for all topics would not be enough: after a
    crash another topic may be ahead.
    """

    assigned: Said | None = None
    needs_review: Said | None = None
    verdict: Said | None = None
    last_applied: tuple[AppliedEvent, ...] = ()


class KeyStatistics(msgspec.Struct, frozen=True):
    """The weights of one brand, store or tag, and the offset up to which each source partition was counted."""

    weights: dict[str, float] = {}
    applied: dict[str, int] = {}


def said_by_decision(event: CategoryAssigned | NeedsReview, offset: int, minimum_confidence: float) -> Said:
    """Return what a decision says; its category counts only if the model is sure enough of the leaf itself."""
    category = None
    if isinstance(event, CategoryAssigned):
        sure = event.confidence >= minimum_confidence and not event.backed_off and event.review_id is None
        category = event.category.id if sure else None
    return Said(offset, event.source.offset, category, event.brand, event.stores, review_id=event.review_id)


def said_by_verdict(event: ReviewDecided, offset: int) -> Said:
    """Return what a person's verdict says."""
    return Said(offset, category=event.category_id, brand=event.brand, stores=event.stores, tags=event.tags)


def said_by_tombstone(offset: int) -> Said:
    """Return what a tombstone says: the topic no longer says anything about the product."""
    return Said(offset, removed=True)


def apply(
    state: ProductState, source: Source, said: Said, position: SourcePosition
) -> tuple[ProductState, list[StatisticsChanged]]:
    """Return the state after the event at ``position``, and the changes to send.

    If the event is not newer than the last one of its topic, the state stays as it is. If it is that last event,
    its changes are returned again. Otherwise there are none, because it was finished before the next one was
    applied.
    """
    known = cast("Said | None", getattr(state, source))
    if known is not None and said.offset <= known.offset:
        return state, _repeated_changes(state, position)
    before = contributions(state)
    earlier = [
        msgspec.structs.replace(event, after=_pack(before)) if event.after is None else event
        for event in state.last_applied
        if event.position.topic != position.topic
    ]
    changed = msgspec.structs.replace(state, **{source: said})
    after = contributions(changed)
    applied = AppliedEvent(position) if after == before else AppliedEvent(position, _pack(before), None)
    return msgspec.structs.replace(changed, last_applied=(*earlier, applied)), _changes(before, after, position)


def _pack(contributed: Contributions) -> Packed:
    return tuple((*key, *counted) for key, counted in contributed.items())


def _unpack(packed: Packed) -> Contributions:
    return {(kind, key): (category, weight) for kind, key, category, weight in packed}


def contributions(state: ProductState) -> Contributions:
    """Return the category and weight that the product adds to each of its keys; a person's verdict wins."""
    decision = latest_decision(state)
    if decision is None and (state.assigned or state.needs_review):  # the product was removed
        return {}
    verdict = state.verdict
    if verdict is not None and not verdict.removed:
        return _counted(verdict, decision, VERDICT_WEIGHT)
    return {} if decision is None else _counted(decision, None, DECISION_WEIGHT)


def latest_decision(state: ProductState) -> Said | None:
    """Return what the decision that stands on the product says, if there is one."""
    known = (said for said in (state.assigned, state.needs_review) if said is not None and not said.removed)
    return max(known, key=lambda said: said.decided, default=None)


def overtaken_decision(state: ProductState, verdict: ReviewDecided | None, offset: int) -> Said | None:
    """Return the decision on a product if the verdict published at ``offset`` changes it; otherwise ``None``.

    A verdict changes a decision that does not repeat it. One that is taken back (``None``), or has no title to
    stand for, changes a decision that repeats an earlier one.
    """
    if state.verdict is not None and offset < state.verdict.offset:
        return None
    decision = latest_decision(state)
    stands = None if verdict is None or verdict.title is None else verdict.review_id
    return None if decision is None or decision.review_id == stands else decision


def _counted(said: Said, also: Said | None, weight: float) -> Contributions:
    if said.category is None:
        return {}
    about = said if also is None or said.brand is not None or said.stores else also
    found: Contributions = {}
    if brand := normalise_key(about.brand):
        found["brand", brand] = (said.category, weight)
    for store in about.stores:
        if key := normalise_key(store):
            found["store", key] = (said.category, weight)
    for tag in said.tags:
        if key := fold(tag):
            found["tag", key] = (said.category, weight)
    return found


def _changes(old: Contributions, new: Contributions, source: SourcePosition) -> list[StatisticsChanged]:
    """Return one change for each key whose contribution differs, ordered by key."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        kind, text = key
        removed, removed_weight = before or (None, 0.0)
        added, added_weight = after or (None, 0.0)
        found.append(
            StatisticsChanged(
                kind=kind,
                key=text,
                source=source,
                removed_category=removed,
                removed_weight=removed_weight,
                added_category=added,
                added_weight=added_weight,
            )
        )
    return found


def _repeated_changes(state: ProductState, position: SourcePosition) -> list[StatisticsChanged]:
    for event in state.last_applied:
        if event.position == position:
            after = contributions(state) if event.after is None else _unpack(event.after)
            return _changes(_unpack(event.before), after, position)
    return []


def apply_changes(value: KeyStatistics, changes: Iterable[StatisticsChanged]) -> tuple[KeyStatistics, int]:
    """Return the statistics after the changes, and how many of the changes were new."""
    weights, applied, new = dict(value.weights), dict(value.applied), 0
    for change in changes:
        partition = f"{change.source.topic}-{change.source.partition}"
        if applied.get(partition, -1) >= change.source.offset:
            continue
        _add(weights, change.removed_category, -change.removed_weight)
        _add(weights, change.added_category, change.added_weight)
        applied[partition] = change.source.offset
        new += 1
    return KeyStatistics(weights, applied), new


def _add(weights: dict[str, float], category: str | None, weight: float) -> None:
    if category is None:
        return
    total = weights.get(category, 0.0) + weight
    if total:
        weights[category] = total
    else:
        weights.pop(category, None)
