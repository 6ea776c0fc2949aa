"""The process of a model outlives a request that it cannot work on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.events.batch import CandidateProduct, RecalledBatch
from schemas.events.codec import decode
from schemas.events.decision import CategoryAssigned
from schemas.events.product import Product
from streams.learned.verdicts import LearnedVerdicts
from streams.model_process.messages import (
    LENGTH_BYTES,
    Decided,
    Failed,
    Ranked,
    Recalled,
    RecallRequest,
    Reply,
    decode_reply,
)
from streams.model_process.work import ModelWork
from streams.settings import Settings
from tests.decisions import verdict
from workers.bundle.bundle import load_bundle
from workers.statistics import NoStatistics


@pytest.fixture(scope="module")
def work(sample_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelWork:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    return ModelWork(settings, load_bundle(sample_bundle), NoStatistics())


def answers(work: ModelWork, request: Any) -> list[Reply]:
    return [decode_reply(frame[LENGTH_BYTES:]) for frame in work.answer(msgspec.json.encode(request))]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"products": [{"product_id": 7}]}, r"ValidationError: Expected `str`, got `int`"),
        ({"type": "forget"}, r"ValidationError: Invalid value 'forget'"),
    ],
)
def test_a_request_that_is_none_fails_by_its_number(work: ModelWork, change: Any, problem: str) -> None:
    good = RecallRequest(3, [Product(product_id="p", title="red shoes")])
    (failed,) = answers(work, msgspec.to_builtins(good) | change)
    assert isinstance(failed, Failed)
    assert failed.number == 3
    assert failed.problem.startswith(problem)
    (recalled,) = answers(work, good)
    assert isinstance(recalled, Recalled)
    assert len(recalled.sizes) == 1


def test_an_answer_that_cannot_be_written_fails_its_request(
    work: ModelWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recall(*_: object) -> Any:
        yield Recalled(4, {"text_embedding": 2**70}, [])

    monkeypatch.setattr(ModelWork, "_recall", recall)
    (failed,) = answers(work, RecallRequest(4, []))
    assert isinstance(failed, Failed)
    assert (failed.number, failed.problem[:14]) == (4, "OverflowError:")


def test_a_product_is_decided_when_the_verdict_that_it_was_published_again_for_is_known(
    sample_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load_bundle(sample_bundle)
    settings = Settings(data_dir=tmp_path)
    verdicts = LearnedVerdicts(settings, bundle.taxonomy)
    category = bundle.taxonomy.ids[-1]
    said = verdict(category, title="red shoes")

    def arrive(partition: int, offset: int) -> None:
        assert (partition, offset) == (3, 7)
        verdicts.standing.add("p", offset, said)

    monkeypatch.setattr(verdicts, "await_read", arrive)
    product = Product(product_id="p", title="red shoes")
    batch = RecalledBatch(
        batch_id="b",
        source_topic="t",
        source_partition=3,
        attempt=1,
        model_version=bundle.model_version,
        products=[CandidateProduct.of(product, 5, verdict_offset=7)],
    )
    work = ModelWork(settings, bundle, NoStatistics(), verdicts)
    decided = answers(work, RecallRequest(1, [product], [batch]))[-1]
    assert isinstance(decided, Decided)
    (ranked,) = decided.batches
    assert isinstance(ranked, Ranked)
    decision = decode(ranked.messages[0].value, CategoryAssigned)
    assert (decision.review_id, decision.category.id) == ("r", category)
