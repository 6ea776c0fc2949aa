"""Who takes a partition over has a later generation than who had it before, or none where that is not known."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.intake.assignment import Committed, committed, generation
from streams.progress import Mark, commit_metadata

PLACE = TopicPartition("batched", 0)


class _Consumer:
    """Knows where the topic of batches ends, and what is committed; ``None`` is no answer."""

    def __init__(self, end: int | None = None, answer: list[TopicPartition] | None = None) -> None:
        self._end, self._answer = end, answer

    def get_watermark_offsets(self, _place: TopicPartition, _timeout: float) -> tuple[int, int]:
        if self._end is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return 0, self._end

    def committed(self, _places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        if self._answer is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return self._answer


def generation_of(end: int | None, found: Committed) -> int | None:
    consumer: Any = _Consumer(end)
    return generation(consumer, PLACE, found)


@given(st.integers(0, 2**40), st.none() | st.integers(0, 2**40))
def test_it_is_no_earlier_than_the_end_of_the_topic_and_later_than_the_one_before(
    end: int, before: int | None
) -> None:
    found = generation_of(end, Committed(Mark(5, before), known=True))
    assert found is not None
    assert found >= end
    assert before is None or found > before


@pytest.mark.parametrize(("end", "found"), [(None, Committed(known=True)), (7, Committed())])
def test_it_is_none_where_the_broker_did_not_say_enough(end: int | None, found: Committed) -> None:
    assert generation_of(end, found) is None


def test_of_a_partition_without_commits_it_is_the_end() -> None:
    assert generation_of(7, Committed(known=True)) == 7


def test_nothing_committed_is_told_from_nothing_known() -> None:
    answer = [TopicPartition("t", 0, 12, commit_metadata(3)), TopicPartition("t", 1, -1001)]
    consumer: Any = _Consumer(answer=answer)
    places = [TopicPartition("t", number) for number in range(2)]
    assert committed(consumer, places) == {0: Committed(Mark(12, 3), known=True), 1: Committed(known=True)}
    silent: Any = _Consumer()
    assert committed(silent, places) == {}
