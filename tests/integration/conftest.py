"""What tests of commands on a real Kafka share."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from streams.clients.feed import Pace
from streams.kafka.cluster import Cluster
from tests.worker_harness import PARTITIONS, Installation


@pytest.fixture
def installation(
    kafka: Cluster, topic_prefix: str, sample_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Installation:
    """An installation that the settings in the environment name, so that commands find it."""
    monkeypatch.setenv("SHELFWISE_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("SHELFWISE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("SHELFWISE_PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("SHELFWISE_BUNDLE", str(sample_bundle))
    return Installation(kafka.connection, topic_prefix, sample_bundle, tmp_path).create()


@pytest.fixture
def comes_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[signal.Signals, int], None]]:
    """Let a signal come once so many events have been sent at a rate."""

    def arrange(number: signal.Signals, sent: int) -> None:
        turns = count()

        def wait(_pace: Pace, _sleep: Callable[[float], object]) -> None:
            if next(turns) == sent:
                signal.raise_signal(number)

        monkeypatch.setattr(Pace, "wait", wait)

    # What is not handled as it should would end the tests.
    # A shell that runs us in the background has SIGINT ignored.
    handlers = {signal.SIGTERM: lambda *_: None, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield arrange
    for number, handler in before.items():
        signal.signal(number, handler)
