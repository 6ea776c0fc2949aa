"""Targets: everything that comes from Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import numpy as np

from schemas.events.batch import BatchCompleted, CandidateBatch, EventOutcome, Outcome, ProductBatch
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import ATTEMPT_HEADER, PREFIX, DeadLetter, attempt_of
from schemas.events.decision import Alternative, Category, CategoryAssigned, Evidence, NeedsReview
from schemas.events.learning import LearnedDecision, LearningBatch, Said, VerdictMessage
from schemas.events.position import SourcePosition
from schemas.events.product import decode_product
from schemas.events.review import ReviewDecided
from schemas.events.sent_again import ORIGINAL_OFFSET_HEADER, headers_again, original_offset
from schemas.events.statistics import StatisticsBatch, StatisticsChanged
from streams.clients.partition_reader import PublishedEvent
from streams.intake.packer import SourceEvent, pack
from streams.intake.window import Window
from streams.learning.packer import pack as pack_to_learn
from streams.progress import committed_generation
from streams.replay.newest_events import NewestEvents
from tests.fuzz.target import Target
from workers.learning import Source
from workers.recall.candidates import Candidates
from workers.recall.packing import check_categories, unpack
from workers.recall.packing import pack as pack_candidates

PRODUCTS: Final = (
    (
        b'{"product_id":"sku-1","title":"Desk lamp, black","brand":"Lumo","stores":["lamps.example"],'
        b'"merchant_category":"Home > Sale > Lamps","affiliate":{"network":"Net","category":"Lighting"},'
        b'"tags":["Sale","Desk"],"price":39.9,"currency":"EUR","attributes":{"colour":"black"},"updated_at":"2026-01-02T03:04:05Z"}'
    ),
    '{"product_id":"ß-2","title":"Кружка 𝔘 \\u00e9\\ud83d\\ude00","description":"a\\nb","image_url":"https://x/y"}'.encode(),
    b'{"title":"Cup","product_id":"3","unknown":{"nested":[1,2,{"a":null}]}}',
)
_EVENTS: Final = 6


def _decided() -> dict[str, Any]:
    category = Category("c1", ("Home", "Lamps"))
    return {
        "decision_id": "5f0c8b0e",
        "product_id": "sku-1",
        "confidence": 0.97,
        "alternatives": (Alternative(category, 0.97), Alternative(Category("c2", ("Home",)), 0.01)),
        "evidence": (Evidence(signal="linear_text", contribution=2.1, rank=1, score=0.4),),
        "model_version": "m",
        "taxonomy_version": "t",
        "source": SourcePosition("products.changed.v1", 3, 17),
        "brand": "Lumo",
        "stores": ("lamps.example",),
    }


def _candidates() -> Candidates:
    return Candidates(
        signals=("a", "b"),
        context_names=("c",),
        offsets=np.array([0, 2, 3], np.int64),
        categories=np.array([1, 4, 2], np.int32),
        scores=np.ones((3, 2), np.float32),
        proposed=np.ones((3, 2), np.bool_),
        context=np.zeros((2, 1), np.float32),
    )


def _batches() -> list[msgspec.Struct]:
    events = [SourceEvent(n, 1_700_000_000_000, None, value, []) for n, value in enumerate(PRODUCTS)]
    packed = pack("products.changed.v1", 3, events)
    ranked = CandidateBatch(
        batch_id=packed.message.batch_id,
        source_topic="products.changed.v1",
        source_partition=3,
        attempt=1,
        model_version="m",
        products=[],
        candidates=pack_candidates(_candidates()),
        settled=[EventOutcome(1, Outcome.UNCHANGED)],
    )
    done = BatchCompleted(
        batch_id=packed.message.batch_id,
        source_topic="products.changed.v1",
        source_partition=3,
        attempt=1,
        outcomes=[EventOutcome(n, Outcome.ASSIGNED) for n in range(3)],
    )
    return [packed.message, ranked, done]


def _typed(kind: type[msgspec.Struct], value: msgspec.Struct, weight: float = 1.0) -> Target:
    def run(data: bytes, _chance: Random) -> None:
        again = encode(decode(data, kind))
        assert encode(decode(again, kind)) == again

    return Target(kind.__name__, [encode(value)], run, weight, json_share=0.7)


def _product(data: bytes, chance: Random) -> None:
    product = decode_product(data, chance.choice((None, b"sku-1")))
    assert decode_product(encode(product)) == product


def _packed_candidates(data: bytes, chance: Random) -> None:
    fields = pack_candidates(_candidates())
    name = chance.choice(("offsets", "categories", "scores", "named", "context"))
    candidates = unpack(msgspec.structs.replace(fields, **{name: data}))
    check_categories(candidates, 5)


def _pack(data: bytes, chance: Random) -> None:
    """Packing never refuses: what is bad becomes a dead letter, and every event has a place."""
    values = [*PRODUCTS, data, None, data[: len(data) // 2]]
    keys = [None, b"sku-1", b"3", data[:20], b"\xff"]
    headers = [(ATTEMPT_HEADER, data[:9])]
    events = [
        SourceEvent(offset, 0, chance.choice(keys), chance.choice(values), headers) for offset in range(_EVENTS)
    ]
    batch = pack("products.changed.v1", 0, events)
    settled = {outcome.offset for outcome in batch.message.settled}
    assert settled | set(batch.originals) == set(range(_EVENTS))
    assert {item.event.offset for item in batch.rejected} <= settled
    assert decode(encode(batch.message), ProductBatch).batch_id == batch.message.batch_id
    newest = NewestEvents(_EVENTS)
    for event in events:
        newest.add(PublishedEvent(0, event.offset, event.key, event.value, event.headers))
        newest.fate(PublishedEvent(0, event.offset, event.key, event.value, event.headers))


def _pack_to_learn(data: bytes, chance: Random) -> None:
    """Packing never refuses; what is no decision is left out, and a verdict is carried whatever it is."""
    sources: dict[str, Source] = {"a": "assigned", "n": "needs_review", "v": "verdict"}
    messages: list[Any] = []
    for offset in range(_EVENTS):
        fields = {
            "topic": chance.choice("anv"),
            "partition": 0,
            "offset": offset,
            "key": chance.choice((None, b"sku-1", data[:20])),
            "value": chance.choice((None, data, data[: len(data) // 2])),
            "headers": [("h", data[:9])],
        }
        messages.append(
            SimpleNamespace(**{name: partial(lambda value: value, field) for name, field in fields.items()})
        )
    batches = [decode(encode(batch), LearningBatch) for batch in pack_to_learn(messages, sources, 0.5)]
    carried = {verdict.offset for batch in batches for verdict in batch.verdicts}
    assert carried == {message.offset() for message in messages if message.topic() == "v"}


def _complete(data: bytes, chance: Random) -> None:
    """A completion is taken in whole, or changes nothing."""
    events = [SourceEvent(n, 0, None, value, []) for n, value in enumerate(PRODUCTS)]
    window = Window(8, 30.0, lambda: 0.0)
    batch = pack("products.changed.v1", 3, events)
    window.open(batch)
    completed = decode(data, BatchCompleted)
    try:
        item = window.complete(
            batch.message.batch_id if chance.random() < 0.7 else completed.batch_id, completed.outcomes
        )
    except ValueError:
        assert window.settle() == []
        return
    assert len(window.settle()) == (item is not None)


def _headers(data: bytes, chance: Random) -> None:
    """Headers of feeds say what they like."""
    names = [
        ATTEMPT_HEADER,
        ORIGINAL_OFFSET_HEADER,
        f"{PREFIX}reason",
        f"{PREFIX}source-offset",
        "ce_id",
        "\u0000",
    ]
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(4))
    headers = [(chance.choice(names), data[a:b]) for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert attempt_of(headers) >= 1
    assert 0 <= original_offset(headers, 7) <= 7
    assert original_offset(headers_again(headers, 7), 9) <= 7
    committed_generation(data[:40].decode(errors="replace"))
    letter = DeadLetter(
        reason="r", detail="d", stage="s", attempt=1, source_topic="t", source_partition=0, source_offset=1
    )
    assert DeadLetter.from_headers(letter.to_headers(headers)) == letter
    DeadLetter.from_headers(headers)


def event_targets() -> Sequence[Target]:
    """Return them."""
    decided = _decided()
    statistics = StatisticsChanged(
        kind="brand", key="lumo", source=decided["source"], added_category="c1", added_weight=1.0
    )
    learned = LearningBatch(
        partition=3,
        decisions=[LearnedDecision("assigned", 4, "sku-1", Said(4, 17, "c1", "Lumo", ("lamps.example",)))],
        verdicts=[VerdictMessage(5, b"sku-1", b"{}", (("h", b"1"),))],
    )
    verdict = msgspec.convert(
        {
            "review_id": "1",
            "product_id": "sku-1",
            "category_id": "c1",
            "reviewer": "r",
            "decided_at": "2026-01-02T03:04:05Z",
        },
        ReviewDecided,
    )
    batched, ranked, done = _batches()
    arrays = pack_candidates(_candidates())
    raw = [arrays.offsets, arrays.categories, arrays.scores, arrays.named, arrays.context]
    assigned = CategoryAssigned(category=Category("c1", ("Home", "Lamps")), backed_off=False, also=(), **decided)
    return (
        Target("product", PRODUCTS, _product, 25, json_share=0.6),
        _typed(CategoryAssigned, assigned, 6),
        _typed(NeedsReview, NeedsReview(reason="no_candidates", **decided), 6),
        _typed(ReviewDecided, verdict, 8),
        _typed(StatisticsBatch, StatisticsBatch([statistics]), 5),
        _typed(LearningBatch, learned, 3),
        Target("pack to learn", [encode(assigned), encode(verdict)], _pack_to_learn, 2, json_share=0.7),
        _typed(ProductBatch, batched, 5),
        _typed(CandidateBatch, ranked, 4),
        _typed(BatchCompleted, done, 4),
        Target("packed candidates", raw, _packed_candidates, 4),
        Target("pack", PRODUCTS, _pack, 5, json_share=0.6),
        Target("complete", [encode(done)], _complete, 4, json_share=0.7),
        Target("headers", [b"2", b"17", b"generation=4"], _headers, 4, refusals=(msgspec.ValidationError,)),
    )
