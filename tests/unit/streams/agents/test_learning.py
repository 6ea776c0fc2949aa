from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.events.codec import decode, encode
from schemas.events.dead_letter import DeadLetter, Headers
from schemas.events.learning import LearnedDecision, LearningBatch, Said, VerdictMessage
from schemas.events.review import ReviewDecided
from schemas.events.sent_again import headers_again
from schemas.events.statistics import StatisticsBatch, StatisticsChanged
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import PRODUCTS_DEAD_LETTER
from streams.agents.context import Context, already_arrived
from streams.agents.learning import LearningStage
from streams.health import Health
from streams.kafka.partitioner import partition_of
from streams.learning.decide_again import JudgedEvent
from streams.metrics import Metrics
from streams.settings import Settings
from tests import decisions
from tests.agent_fakes import Event, Log, Stream
from workers.learning import ProductState, contributions

_TREE = Taxonomy.from_paths("tree", "1", [("Home", "Lamps"), ("Home", "Cups")])
_HOME, _LAMPS, _CUPS = _TREE.ids[0], _TREE.ids[1], _TREE.ids[2]


def is_category(category_id: str) -> bool:
    return _TREE.find_id(category_id) is not None


def verdict(category: str, brand: str | None = "Acme", product_id: str = "p") -> bytes:
    return encode(decisions.verdict(category, product_id=product_id, brand=brand))


def judged(offset: int, value: bytes | None, key: bytes | None = b"p", headers: Headers = ()) -> LearningBatch:  # type: ignore[assignment]
    return LearningBatch(partition=0, verdicts=[VerdictMessage(offset, key, value, tuple(headers))])


def assigned(offset: int, category: str | None, product_id: str = "p") -> LearnedDecision:
    return LearnedDecision("assigned", offset, product_id, Said(offset, offset, category, "Acme"))


@pytest.fixture
def products() -> dict[bytes, bytes]:
    return {}


@pytest.fixture
def log() -> Any:
    return Log()


@pytest.fixture
def context(tmp_path: Path, log: Any) -> Context:
    return Context(Settings(data_dir=tmp_path, partitions=1), log, Metrics(), Health())


@pytest.fixture
def stage(context: Context, products: dict[bytes, bytes]) -> LearningStage:
    return made(context, products)


def made(
    context: Context,
    products: dict[bytes, bytes],
    state_arrived: Callable[[], Awaitable[None]] = already_arrived,
    again: list[JudgedEvent] | None = None,
) -> LearningStage:
    async def decide_again(judged: Sequence[JudgedEvent]) -> None:
        if again is not None:
            again.extend(judged)

    return LearningStage(context, lambda _: products, is_category, state_arrived, decide_again)


def learn(stage: LearningStage, batch: LearningBatch) -> list[StatisticsChanged]:
    return asyncio.run(stage.learn(batch)).changes


def counted(products: dict[bytes, bytes]) -> str:
    ((category, _),) = contributions(msgspec.json.decode(products[b"p"], type=ProductState)).values()
    return category


def test_an_older_verdict_that_is_sent_again_does_not_overrule_a_newer_one(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    assert learn(stage, judged(7, verdict(_CUPS)))
    assert learn(stage, judged(9, verdict(_LAMPS), headers=headers_again([], 3))) == []
    assert counted(products) == _CUPS
    assert learn(stage, judged(10, verdict(_HOME)))
    assert counted(products) == _HOME


def test_a_verdict_that_is_sent_again_counts_where_none_is_newer_and_its_changes_can_be_told_again(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    learn(stage, judged(2, verdict(_CUPS)))
    again = judged(9, verdict(_LAMPS), headers=headers_again([], 3))
    (change,) = learn(stage, again)
    assert (change.source.offset, counted(products)) == (9, _LAMPS)
    assert learn(stage, again) == [change]


def test_changes_that_a_crash_kept_back_are_told_again_though_another_topic_was_read_first(
    stage: LearningStage,
) -> None:
    first = learn(stage, judged(1, verdict(_CUPS)))
    gone = LearningBatch(partition=0, decisions=[LearnedDecision("assigned", 5, "p", Said(5, removed=True))])
    assert learn(stage, gone)[0].removed_category == _CUPS
    assert learn(stage, judged(1, verdict(_CUPS))) == first


def test_a_verdict_ahead_of_its_decision_that_names_the_title_counts_when_the_decision_comes(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    titled = decode(verdict(_CUPS, brand=None), ReviewDecided)
    assert learn(stage, judged(1, encode(msgspec.structs.replace(titled, title="Cup")))) == []
    learn(stage, LearningBatch(partition=0, decisions=[assigned(3, _LAMPS)]))
    assert counted(products) == _CUPS


def test_decisions_come_before_the_verdicts_of_their_batch_which_override_them(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    batch = LearningBatch(
        partition=0,
        decisions=[assigned(3, _LAMPS)],
        verdicts=[VerdictMessage(1, b"p", verdict(_CUPS, brand=None))],
    )
    first, second = learn(stage, batch)
    assert (first.added_category, second.removed_category, second.added_category) == (_LAMPS, _LAMPS, _CUPS)
    assert counted(products) == _CUPS


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"p", b"{", "malformed_json"),
        (b"p", verdict("no such category"), "unknown_category"),
        (b"p", verdict(_CUPS, brand=None), "unknown_product"),
        (None, verdict(_CUPS), "missing_key"),
        (b"p", verdict(_CUPS, product_id="q"), "key_mismatch"),
    ],
)
def test_a_verdict_that_cannot_be_used_is_kept_as_it_came_and_costs_the_others_nothing(
    stage: LearningStage, log: Any, key: bytes | None, value: bytes, reason: str
) -> None:
    batch = LearningBatch(
        partition=0,
        decisions=[assigned(1, _LAMPS, "q")],
        verdicts=[
            VerdictMessage(4, key, value, (("h", b"1"),)),
            VerdictMessage(5, b"r", verdict(_CUPS, product_id="r")),
        ],
    )
    assert [change.source.offset for change in learn(stage, batch)] == [1, 5]
    (buried,) = log.messages
    letter = DeadLetter.from_headers(buried.headers)
    assert (buried.topic, buried.key, buried.value) == (PRODUCTS_DEAD_LETTER.name, key, value)
    assert (str(letter.reason), letter.source_partition, letter.source_offset) == (reason, 0, 4)
    assert ("h", b"1") in buried.headers


def test_a_verdict_in_another_partition_than_its_decision_is_buried_not_counted_beside_it(
    context: Context, products: dict[bytes, bytes], log: Any
) -> None:
    settings = context.settings.model_copy(update={"partitions": 8})
    stage = made(replace(context, settings=settings), products)
    its_own = partition_of(b"p", 8)
    for partition in range(8):
        batch = LearningBatch(partition=partition, verdicts=[VerdictMessage(partition, b"p", verdict(_CUPS))])
        assert bool(learn(stage, batch)) == (partition == its_own)
    reasons = {str(DeadLetter.from_headers(letter.headers).reason) for letter in log.messages}
    assert (len(log.messages), reasons) == (7, {"wrong_partition"})


def test_of_a_product_whose_state_cannot_be_read_nothing_is_learned_and_of_the_others_all_is(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    products[b"p"] = b"{"
    batch = LearningBatch(partition=0, decisions=[assigned(1, _LAMPS), assigned(2, _CUPS, "q")])
    assert [change.source.offset for change in learn(stage, batch)] == [2]


def stream_of(*batches: LearningBatch | bytes, refused: Collection[int] = ()) -> Stream:
    """Return a stream of batches; bytes stand for what is none."""
    values = [batch if isinstance(batch, bytes) else encode(batch) for batch in batches]
    return Stream(*(Event(0, offset, value) for offset, value in enumerate(values)), refused=refused)


def acknowledged(stream: Stream) -> list[int]:
    return [event.offset for event in stream.acknowledged]


def learn_from(stage: LearningStage, stream: Stream) -> None:
    async def work() -> None:
        await stage.run(stream)
        await stage.drain(10)

    asyncio.run(work())


def offsets_sent(log: Any) -> list[int]:
    batches = (decode(message.value, StatisticsBatch) for message in log.messages)
    return [change.source.offset for batch in batches for change in batch.changes]


def test_changes_leave_in_order_and_are_then_acknowledged(stage: LearningStage, log: Any) -> None:
    stream = stream_of(
        judged(1, verdict(_CUPS)), judged(2, verdict(_CUPS, product_id="q"), b"q"), judged(3, verdict(_LAMPS))
    )
    learn_from(stage, stream)
    assert (offsets_sent(log), acknowledged(stream)) == ([1, 2, 3], [0, 1, 2])


def test_a_later_event_of_a_product_in_the_same_topic_waits_until_the_changes_of_the_first_have_arrived(
    context: Context, products: dict[bytes, bytes], log: Any
) -> None:
    """Were both under way in a crash, only the changes of the latest could be told again."""
    sent_when: list[tuple[int, int]] = []
    submit: Callable[..., Any] = log.submit

    async def note(messages: Any) -> Any:
        state = msgspec.json.decode(products[b"p"], type=ProductState)
        assert state.verdict is not None
        sent_when.append((state.verdict.offset, len(messages)))
        return await submit(messages)

    log.submit = note
    learn_from(
        made(context, products),
        stream_of(judged(1, verdict(_CUPS)), judged(2, verdict(_LAMPS))),
    )
    assert sent_when == [(1, 1), (2, 1)]


def test_changes_leave_only_when_the_state_that_they_come_of_is_safe(
    context: Context, products: dict[bytes, bytes], log: Any
) -> None:
    async def refuse() -> None:
        assert counted(products) == _CUPS
        raise RuntimeError("the broker is away")

    stream = stream_of(judged(1, verdict(_CUPS)))
    learn_from(made(context, products, refuse), stream)
    assert (log.messages, acknowledged(stream)) == ([], [])


def test_after_lost_changes_nothing_is_acknowledged_until_a_restart(
    stage: LearningStage, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_messages: object) -> None:
        raise RuntimeError("refused")

    monkeypatch.setattr(log, "submit", refuse)
    stream = stream_of(judged(1, verdict(_CUPS)), judged(2, verdict(_LAMPS)))
    learn_from(stage, stream)
    assert acknowledged(stream) == []


def test_after_a_dead_letter_that_was_refused_nothing_is_acknowledged_until_a_restart(
    stage: LearningStage, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_messages: object) -> None:
        raise RuntimeError("refused")

    monkeypatch.setattr(log, "send_all", refuse)
    stream = stream_of(judged(1, b"{"), judged(2, verdict(_LAMPS)))
    learn_from(stage, stream)
    assert (log.messages, acknowledged(stream)) == ([], [])


def test_what_is_no_batch_is_left_out(stage: LearningStage, log: Any) -> None:
    stream = stream_of(b"{", judged(2, verdict(_LAMPS, product_id="q"), b"q"))
    learn_from(stage, stream)
    assert (offsets_sent(log), acknowledged(stream)) == ([2], [0, 1])


def test_a_batch_that_came_on_another_partition_than_its_own_writes_to_neither(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    astray = LearningBatch(partition=1, decisions=[assigned(1, _CUPS)])
    stream = stream_of(astray)
    learn_from(stage, stream)
    assert (acknowledged(stream), products) == ([0], {})


def test_an_acknowledgement_that_fails_keeps_no_other_back(stage: LearningStage) -> None:
    batches = [judged(offset, verdict(_CUPS, product_id=chr(offset)), bytes([offset])) for offset in (1, 2, 3)]
    stream = stream_of(*batches, refused={0})
    learn_from(stage, stream)
    assert acknowledged(stream) == [1, 2]


def decided(offset: int, review_id: str | None, *, removed: bool = False) -> LearnedDecision:
    return LearnedDecision(
        "assigned", offset, "p", Said(offset, 40 + offset, removed=removed, review_id=review_id)
    )


def judged_events(
    context: Context, products: dict[bytes, bytes], *batches: LearningBatch, arrived: Any = already_arrived
) -> list[JudgedEvent]:
    """Return what is published again after these batches; ``products`` holds what was learned before."""
    again: list[JudgedEvent] = []
    learn_from(made(context, products, arrived, again), stream_of(*batches))
    return again


def titled(review_id: str) -> bytes:
    review = decode(verdict(_CUPS), ReviewDecided)
    return encode(msgspec.structs.replace(review, review_id=review_id, title="Cup"))


def test_a_verdict_has_the_event_behind_the_latest_decision_decided_again(
    context: Context, products: dict[bytes, bytes]
) -> None:
    earlier = LearningBatch(partition=0, decisions=[decided(1, None)])
    latest = LearningBatch(partition=0, decisions=[decided(2, None)])
    assert judged_events(context, products, earlier, latest) == []
    assert judged_events(context, products, judged(7, titled("r"))) == [JudgedEvent(0, 42, b"p", 7)]


@pytest.mark.parametrize(
    ("decision", "value"),
    [
        (decided(1, "r"), titled("r")),  # decided as it says already
        (decided(1, None), verdict(_CUPS)),  # without a title it stands for no decision
        (decided(1, None), None),  # nothing to take back
        (decided(1, None, removed=True), titled("r")),
    ],
)
def test_a_verdict_that_changes_no_decision_has_nothing_decided_again(
    context: Context, products: dict[bytes, bytes], decision: LearnedDecision, value: bytes | None
) -> None:
    batches = LearningBatch(partition=0, decisions=[decision]), judged(7, value)
    assert judged_events(context, products, *batches) == []


@pytest.mark.parametrize("value", [verdict(_LAMPS), None])
def test_when_a_verdict_stands_no_longer_its_product_is_decided_again(
    context: Context, products: dict[bytes, bytes], value: bytes | None
) -> None:
    batches = LearningBatch(partition=0, decisions=[decided(1, "r")]), judged(7, titled("r")), judged(8, value)
    assert judged_events(context, products, *batches) == [JudgedEvent(0, 41, b"p", 8)]


def test_an_older_verdict_that_is_sent_again_has_nothing_decided_again(
    context: Context, products: dict[bytes, bytes]
) -> None:
    batches = LearningBatch(partition=0, decisions=[decided(1, "r")]), judged(7, titled("r"))
    older = judged(9, titled("older"), headers=headers_again([], 3))
    assert judged_events(context, products, *batches, older) == []


def test_a_verdict_that_is_read_again_after_a_crash_has_its_product_decided_again(
    context: Context, products: dict[bytes, bytes]
) -> None:
    batches = LearningBatch(partition=0, decisions=[decided(1, None)]), judged(7, titled("r"))
    first = judged_events(context, products, *batches)
    assert judged_events(context, products, judged(7, titled("r"))) == first == [JudgedEvent(0, 41, b"p", 7)]


def test_nothing_is_decided_again_before_the_verdict_is_safe(
    context: Context, products: dict[bytes, bytes]
) -> None:
    async def refuse() -> None:
        raise RuntimeError("the broker is away")

    batches = LearningBatch(partition=0, decisions=[decided(1, None)]), judged(7, titled("r"))
    assert judged_events(context, products, *batches, arrived=refuse) == []


def test_a_verdict_is_acknowledged_only_when_its_product_has_been_published_again(
    context: Context, products: dict[bytes, bytes]
) -> None:
    async def refuse(_judged: Sequence[JudgedEvent]) -> None:
        raise RuntimeError("the broker is away")

    learn(made(context, products), LearningBatch(partition=0, decisions=[decided(1, None)]))
    stream = stream_of(judged(7, titled("r")))
    learn_from(LearningStage(context, lambda _: products, is_category, already_arrived, refuse), stream)
    assert acknowledged(stream) == []
