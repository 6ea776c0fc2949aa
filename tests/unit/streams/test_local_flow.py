"""Where one process does all, intake hands batches to recall, and hears when they are decided."""

from __future__ import annotations

import asyncio
from threading import Thread

import pytest

from schemas.events.batch import CandidateBatch, ProductBatch
from streams.local_flow import LocalFlow, ModelDone, Returned
from tests.agent_fakes import one_candidate
from workers.recall.packing import pack


def _batch(partition: int, name: str = "b") -> ProductBatch:
    return ProductBatch(
        batch_id=name, source_topic="s", source_partition=partition, attempt=1, products=[], generation=7
    )


def _candidates(generation: int | None) -> CandidateBatch:
    return CandidateBatch(
        batch_id="b",
        source_topic="s",
        source_partition=0,
        attempt=1,
        model_version="m",
        products=[],
        candidates=pack(one_candidate([])),
        generation=generation,
    )


async def test_batches_of_open_partitions_are_taken_together_and_those_of_others_returned() -> None:
    local = LocalFlow()
    taken: list[list[ProductBatch]] = []
    local.deliver_to(lambda batches: taken.append(list(batches)))
    local.open(0)
    local.open(2)
    assert [local.takes(number) for number in range(3)] == [True, False, True]
    await asyncio.to_thread(local.hand_over, [_batch(0), _batch(1), _batch(2)])
    await asyncio.sleep(0)
    assert [[batch.source_partition for batch in group] for group in taken] == [[0, 2]]
    assert local.news() == [Returned(_batch(1))]
    assert local.news() == []


async def test_a_partition_that_is_closed_before_its_batch_comes_returns_it() -> None:
    local = LocalFlow()
    taken: list[ProductBatch] = []
    local.deliver_to(taken.extend)
    local.open(0)
    local.hand_over([_batch(0)])
    local.close()
    await asyncio.sleep(0)
    assert taken == []
    assert local.news() == [Returned(_batch(0))]
    assert not local.takes(0)


def test_without_anyone_to_take_them_batches_are_returned() -> None:
    local = LocalFlow()
    local.hand_over([_batch(0)])
    assert local.news() == [Returned(_batch(0))]


def test_an_event_loop_that_has_ended_takes_nothing_and_harms_nothing() -> None:
    local = LocalFlow()
    taken: list[ProductBatch] = []

    async def scenario() -> None:
        local.deliver_to(taken.extend)

    asyncio.run(scenario())
    local.hand_over([_batch(0)])
    assert taken == []


@pytest.mark.parametrize(
    ("owned", "of_batch", "ours"), [(7, 7, True), (7, 6, False), (None, None, False), (7, None, False)]
)
def test_only_the_generation_that_sent_a_batch_hears_of_it(
    owned: int | None, of_batch: int | None, *, ours: bool
) -> None:
    local = LocalFlow()
    local.assigned(0, owned)
    local.decided(_candidates(of_batch))
    assert local.news() == ([ModelDone(0, "b")] if ours else [])


def test_who_owns_no_partition_any_more_hears_of_none() -> None:
    local = LocalFlow()
    local.assigned(0, 7)
    local.assigned(1, 7)
    local.assigned(1, None)
    local.decided(_batch(1))
    local.all_revoked()
    local.decided(_batch(0))
    assert local.news() == []


def test_intake_hears_of_what_is_decided_while_it_waits_for_word() -> None:
    local = LocalFlow()
    local.assigned(0, 7)
    waiting = Thread(target=local.await_news, args=(3_600,), daemon=True)
    waiting.start()
    local.decided(_batch(0))
    waiting.join(30)
    assert not waiting.is_alive()
    assert local.news() == [ModelDone(0, "b")]
