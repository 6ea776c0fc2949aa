"""A Kafka that a single test uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from schemas.errors import KafkaUnavailable
from streams.kafka.local import LocalKafka


@contextmanager
def own_kafka() -> Iterator[LocalKafka]:
    """Yield a Kafka that nobody else uses; it needs Java."""
    try:
        with LocalKafka() as own:
            yield own
        return
    except KafkaUnavailable as error:
        problem = str(error)
    skip_or_fail(problem)


def skip_or_fail(problem: str) -> NoReturn:
    """Fail a test that has no Kafka, or skip it if ``SHELFWISE_TEST_WITHOUT_KAFKA=1``."""
    if os.environ.get("SHELFWISE_TEST_WITHOUT_KAFKA") == "1":
        pytest.skip(problem)
    pytest.fail(problem, pytrace=False)
