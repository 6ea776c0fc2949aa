"""The parts of a worker start in an order that lets nothing wait for what it does not need."""

from __future__ import annotations

import asyncio
import faulthandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streams.faust_app import STAGES, Stage
from streams.health import Health
from streams.settings import Settings
from streams.stages.run import PartsRun, started


class Part:
    """Begins to start when it is told to, and has started when it ``may_start``."""

    failure: BaseException | None = None

    def __init__(self, name: Stage) -> None:
        self.name = name
        self.begun = asyncio.Event()
        self.may_start = asyncio.Event()
        self.stopped = False

    async def start(self) -> None:
        self.begun.set()
        await self.may_start.wait()

    async def stop(self, _seconds: float) -> None:
        self.stopped = True

    def beat(self) -> None:
        pass


class Dumb(Part):
    """Cannot tell how it is."""

    def beat(self) -> None:
        raise LookupError("no such partition")


@pytest.fixture
def context(health: Health, tmp_path: Path) -> Any:
    sink = SimpleNamespace(failure=None, close=lambda _seconds: 0)
    return SimpleNamespace(settings=Settings(data_dir=tmp_path), sink=sink, health=health)


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> Health:
    # It would end this process, which goes on.
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *_, **__: None)
    return Health(map(started, STAGES))


async def _all_is_done_that_can_be() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_part_that_cannot_tell_its_health_ends_the_run(
    context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing would show any more whether the others live, nor open their partitions to intake."""
    async with asyncio.timeout(10):
        assert await PartsRun(context, lambda: [Dumb("recall")]).run(asyncio.Event()) == 1
    assert "beat failed: LookupError: no such partition" in caplog.text


async def test_intake_waits_for_those_that_decide_and_not_for_learning(health: Health, context: Any) -> None:
    parts = {name: Part(name) for name in STAGES}
    stop = asyncio.Event()
    running = asyncio.ensure_future(PartsRun(context, lambda: list(parts.values())).run(stop))
    async with asyncio.timeout(10):
        for name in ("recall", "ranking"):
            await _all_is_done_that_can_be()
            assert not parts["intake"].begun.is_set()
            parts[name].may_start.set()
        await parts["intake"].begun.wait()
        parts["intake"].may_start.set()
        await parts["learning"].begun.wait()
        assert (health.holds(started("learning")), health.readiness().ok) == (False, False)
        parts["learning"].may_start.set()
        await _all_is_done_that_can_be()
        assert health.readiness().ok
        stop.set()
        assert await running == 0
    assert all(part.stopped for part in parts.values())
