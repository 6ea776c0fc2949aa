"""A process with only the tables; it prints its measurements as lines of JSON."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import faust.tables
import orjson

from schemas.topics import LEARNING_BATCHED, PRODUCTS_BATCHED
from streams.faust_app import FlowApp, build_app, raw_topic
from streams.learned.follower import Follower
from streams.learned.statistics import LearnedStatistics
from streams.settings import Settings
from streams.state.table import TablePartition
from streams.tables import LearningTables, product_digests
from tests.benchmarks.state.records import product_key

_POLL_SECONDS = 0.01


def say(**figures: object) -> None:
    """Print figures, with the current memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = orjson.dumps({**figures, "resident_bytes": pages * resource.getpagesize(), "peak_resident_bytes": peak})
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()


class Prober:
    """An agent that reads and writes random products of its partition, as many as each message says."""

    def __init__(self, products: Any, partitions: int) -> None:
        self._table = products
        self._partitions = partitions

    async def run(self, stream: Any) -> None:
        """The agent's loop."""
        async for event in stream.events():
            order = orjson.loads(event.value)
            if order["process"] != os.getpid():
                continue
            chance = Random(event.message.offset)
            numbers = [
                chance.randrange(order["products"] // self._partitions) * self._partitions
                + event.message.partition
                for _ in range(order["count"])
            ]
            table = self._table.of(event.message.partition)
            if order["endless"]:
                await self._write_on(table, numbers)
            gets, sets = [], []
            for place, number in enumerate(numbers):
                key = product_key(number)
                began = time.perf_counter()
                value = table.get(key)
                gets.append(time.perf_counter() - began)
                assert value is not None, key
                began = time.perf_counter()
                table[key] = value
                sets.append(time.perf_counter() - began)
                if place % 64 == 63:
                    await asyncio.sleep(0)
            say(
                probed=len(numbers),
                get_microseconds=_quantiles(gets),
                set_microseconds=_quantiles(sets),
            )

    async def _write_on(self, table: TablePartition, numbers: list[int]) -> None:
        say(writing=True)
        while True:
            for key in map(product_key, numbers):
                value = table.get(key)
                assert value is not None, key
                table[key] = value
                await asyncio.sleep(0.0002)


def _quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        name: round(1e6 * ordered[int(share * (len(ordered) - 1))], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    } | {"mean": round(1e6 * sum(ordered) / len(ordered), 1)}


async def run(settings: Settings, *, stock: bool) -> None:
    """Start the recall and learning apps, print how long it took, and continue until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    say(started=True)
    began = time.monotonic()
    apps = [_recall(settings), _learning(settings)]
    for app in apps:
        if stock:
            app.conf.TableManager = faust.tables.TableManager
        await app.start()
    recoveries, standby_said = [0.0, 0.0], False
    while not stop.is_set() and not any(app.crashed for app in apps):
        found = [app.table_partitions for app in apps]
        settled = all(app.settled for app in apps)
        seconds = [each.recovery_seconds for each in found]
        if settled and (stock or all(now != before for now, before in zip(seconds, recoveries, strict=True))):
            recoveries = seconds
            say(
                settled_seconds=round(time.monotonic() - began, 2),
                recovery_seconds=round(max(seconds), 2),
                recovered_records=sum(each.recovered_records for each in found),
                broken=sum(len(each.broken) for each in found),
            )
            if stock:
                break
        if settled and not standby_said and all(_standbys_ready(app, settings) for app in apps):
            standby_said = True
            say(standbys_ready_seconds=round(time.monotonic() - began, 2))
        await asyncio.sleep(_POLL_SECONDS)
    for app in apps:
        if app.crashed:
            say(crashed=repr(app.crash_reason))
    began = time.monotonic()
    for app in apps:
        await app.stop()
    say(stopped_seconds=round(time.monotonic() - began, 2))


def _recall(settings: Settings) -> FlowApp:
    app = build_app(settings, "recall")
    agent = Prober(product_digests(app), settings.partitions).run
    app.agent(raw_topic(app, settings.topic(PRODUCTS_BATCHED)), name="prober", concurrency=1)(agent)
    return app


def _learning(settings: Settings) -> FlowApp:
    app = build_app(settings, "learning")
    LearningTables(app)

    async def idle(stream: Any) -> None:
        async for _ in stream.events():
            pass

    app.agent(raw_topic(app, settings.topic(LEARNING_BATCHED)), name="idle", concurrency=1)(idle)
    return app


def _standbys_ready(app: FlowApp, settings: Settings) -> bool:
    recovery = app.tables.recovery
    if not settings.table_standby_replicas:
        return True
    return bool(recovery.standby_highwaters) and not recovery.standby_remaining_total()


def view(settings: Settings) -> None:
    """Read the statistics of all partitions, as every worker does, and print how long it took."""
    say(started=True)
    began = time.monotonic()
    follower = Follower(settings, LearnedStatistics(settings).handlers)
    follower.start()
    follower.await_caught_up()
    say(caught_up_seconds=round(time.monotonic() - began, 2))
    follower.stop()


def main() -> None:
    """Run ``worker.py tables|stock|view``; the settings come from the environment."""
    settings = Settings.load()
    if sys.argv[1] == "view":
        view(settings)
    else:
        asyncio.run(run(settings, stock=sys.argv[1] == "stock"))


if __name__ == "__main__":
    main()
