"""What is called on a reporter in one process is called on metrics and health of the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from streams.health import Health
from streams.metrics import Metrics
from streams.reporting.report import Reporter, Target, make_reported_call


class Pipe:
    """Both ends of a pipe."""

    def __init__(self) -> None:
        self.output, self.input = os.pipe()

    def lines(self) -> list[bytes]:
        """Return what was written."""
        return os.read(self.output, 1 << 16).splitlines(keepends=True)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.output)
    os.close(made.input)


@pytest.fixture
def targets() -> dict[Target, Any]:
    return {"metrics": Metrics(), "health": Health()}


def test_what_learning_counts_is_on_the_metrics_of_the_worker(pipe: Pipe, targets: dict[Target, Any]) -> None:
    metrics: Any = Reporter("metrics", pipe.input)
    metrics.statistics_updated("brand", applied=3, repeated=1)
    metrics.dead_letter("unknown_category", "learning")
    metrics.tables("learning", 1, 20, 0.5)
    for line in pipe.lines():
        make_reported_call(line, targets)
    value = targets["metrics"].registry.get_sample_value
    assert value("shelfwise_statistics_updates_total", {"kind": "brand", "result": "applied"}) == 3
    assert value("shelfwise_dead_letters_total", {"reason": "unknown_category", "stage": "learning"}) == 1
    assert value("shelfwise_table_recovered_records", {"stage": "learning"}) == 20


def test_the_worker_is_ready_and_alive_when_learning_is(pipe: Pipe, targets: dict[Target, Any]) -> None:
    health: Any = Reporter("health", pipe.input)
    health.watch("learning", 5.0)
    health.beat("learning")
    health.condition("learning started", ready=True)
    for line in pipe.lines():
        make_reported_call(line, targets)
    assert targets["health"].holds("learning started")
    assert targets["health"].readiness().ok
    assert targets["health"].liveness().detail["loops"]["learning"]["limit_seconds"] == 5.0


@pytest.mark.parametrize("line", [b"Traceback\n", b'{"target": "sink", "method": "close"}\n', b""])
def test_a_line_that_tells_of_no_call_is_refused(line: bytes, targets: dict[Target, Any]) -> None:
    with pytest.raises(msgspec.DecodeError):
        make_reported_call(line, targets)
