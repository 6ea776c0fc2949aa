"""All measurements of one invocation; contestants take turns within each round."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import orjson

from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from tests.benchmarks.throughput.about import about
from tests.benchmarks.throughput.document import Results, document
from tests.benchmarks.throughput.events import Event, generate, read_real
from tests.benchmarks.throughput.latency import Plan
from tests.benchmarks.throughput.measure import Throughput, Work, run
from tests.benchmarks.throughput.options import Options
from tests.benchmarks.throughput.processes import REGISTRY, Contestant
from tests.benchmarks.throughput.run_topics import Decisions, run_topics

Say = Callable[[str], None]
# The decisions on this many products are compared between contestants.
_COMPARED = 1_000
_MODEL_SECONDS = 600.0
_decision = msgspec.json.Decoder(dict[str, Any])
# Enough to have the broker handle many small messages, on any machine.
_BROKER_RATE = 500.0
# These fields depend on the event's position, which differs between runs.
_PLACE = ("decision_id", "source")


class Bench:
    """The measurements of one invocation on one Kafka."""

    def __init__(self, options: Options, broker: LocalKafka, bundle: Path, directory: Path, say: Say) -> None:
        self._options = options
        self._broker = broker
        self._connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
        self._bundle = bundle
        self._directory = directory
        self._say = say
        self._runs = count(1)
        self._results = Results()
        self._first: dict[bytes, dict[str, Any]] = {}
        self._compared: set[str] = set()
        self._real = read_real(options.data, options.events)
        say(f"{options.events} events, {len(self._real)} real products to choose from")
        events = generate(options.seed, options.events, self._real)
        # The first products, because contestants that run out of time decide these too.
        keep = frozenset(key for key, _ in events[:_COMPARED])
        self._work = Work(events, options.seconds, keep)

    def measure(self) -> dict[str, Any]:
        """Measure everything, and return the document."""
        contestants = [replace(REGISTRY[name], cores=self._options.cores) for name in self._options.contestants]
        for contestant in contestants:
            if contestant.missing:
                self._problem(contestant.missing)
        self._warm_up_broker()
        for number in range(self._options.rounds):
            # Each round begins with another contestant, so that changes of the machine over time favour none.
            place = number % len(contestants)
            for contestant in contestants[place:] + contestants[:place]:
                outcome = None if contestant.missing else self._throughput(contestant, number)
                self._results.throughput.setdefault(contestant.name, []).append(outcome)
            self._model(number)
            self._latency(number)
        ordered = {name: self._results.throughput[name] for name in self._options.contestants}
        self._results.throughput = ordered
        real = sum(key.startswith(b"real-") for key, _ in self._work.events)
        return document(
            self._results,
            about(self._options, self._bundle, real) | {"compared_decisions_of": sorted(self._compared)},
        )

    def _warm_up_broker(self) -> None:
        """Let the broker compile its code, which takes a core of the first minute, before latency is measured."""
        options = self._options
        if options.loads:
            self._say(f"the broker warms up for {options.broker_seconds:.0f} s")
            plan = Plan(_BROKER_RATE, (1.0,), options.broker_seconds, 1.0)
            with run_topics(self._connection, *self._place("broker")) as topics:
                list(plan.run(REGISTRY["ours_latency"], topics, generate(options.seed + 3, plan.events)))

    def _throughput(self, contestant: Contestant, number: int) -> Throughput | None:
        broker = self._broker.process_id
        assert broker is not None
        with run_topics(self._connection, *self._place(contestant.name)) as topics:
            try:
                found, decisions = run(contestant, topics, broker, self._work)
            except (RuntimeError, ValueError, OSError, AssertionError) as error:
                self._problem(f"round {number + 1}, {contestant.title}: {error}")
                return None
        self._compare(contestant, decisions)
        self._say(
            f"round {number + 1}, {contestant.title}: {found.products_per_second:,.0f} products/s,"
            f" {found.cpu:.0f} µs of CPU per product, {found.decided} decided"
        )
        return found

    def _model(self, number: int) -> None:
        arguments = [str(self._bundle), str(self._options.model_products), str(self._options.seed + 1)]
        command = [sys.executable, "-m", "tests.benchmarks.throughput.model_alone", *arguments]
        if self._options.data is not None:
            command.append(str(self._options.data))
        answer = subprocess.run(command, capture_output=True, check=False, timeout=_MODEL_SECONDS)
        if answer.returncode:
            self._problem(f"round {number + 1}, the model alone: {answer.stderr.decode()[-800:]}")
            return
        found: Mapping[str, Mapping[str, float]] = orjson.loads(answer.stdout.splitlines()[-1])
        self._results.model.append(found)
        batch, single = found["batch"]["model"], found["single"]["model"]
        self._say(f"round {number + 1}, the model alone: {batch:.0f} µs in batches, {single:.0f} µs one by one")

    def _latency(self, number: int) -> None:
        options = self._options
        ours = self._results.throughput.get("ours", [])
        if not options.loads or not ours or ours[-1] is None:
            return
        plan = Plan(ours[-1].products_per_second, options.loads, options.load_seconds, options.warm_up_seconds)
        # Use other products than for throughput, and a new worker that has not seen any of them.
        events: list[Event] = generate(options.seed + 2, plan.events, self._real)
        contestant = replace(REGISTRY["ours_latency"], cores=options.cores)
        found = []
        with run_topics(self._connection, *self._place(contestant.name)) as topics:
            try:
                for item in plan.run(contestant, topics, events):
                    found.append(item)
                    self._say(
                        f"round {number + 1}, {item.load:.0%} of capacity ({item.rate:,.0f} events/s):"
                        f" p50 {item.p50_ms:.0f} ms, p99 {item.p99_ms:.0f} ms, p99.9 {item.p999_ms:.0f} ms"
                    )
            except (RuntimeError, ValueError, OSError, AssertionError) as error:
                self._problem(f"round {number + 1}, latency: {error}")
                return
        self._results.latency.append(tuple(found))

    def _compare(self, contestant: Contestant, decisions: Decisions) -> None:
        """Report a contestant whose decisions differ from those of the first that decided the same products."""
        if contestant.learns:
            return
        values = {key: _without_place(value) for key, value in decisions.kept.items()}
        different = [key for key, value in values.items() if self._first.setdefault(key, value) != value]
        if different:
            self._problem(f"{contestant.title} decided {len(different)} of {len(values)} products otherwise")
        self._compared.add(contestant.name)

    def _place(self, name: str) -> tuple[str, Path, Path]:
        """Return the prefix, bundle and directory of a run."""
        number = next(self._runs)
        return f"run{number}.", self._bundle, self._directory / f"{number}-{name}"

    def _problem(self, text: str) -> None:
        if text not in self._results.problems:
            self._results.problems.append(text)
            self._say(text)


def _without_place(value: bytes) -> dict[str, Any]:
    return {name: content for name, content in _decision.decode(value).items() if name not in _PLACE}
