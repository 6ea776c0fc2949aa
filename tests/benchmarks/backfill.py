"""How close ``shelfwise classify FILE`` comes to the model alone, in products per second on all cores.

The comparison is the same number of processes that classify products in memory, with warm word caches, all at the
same time; it runs before and after each file. The start of the command counts, because users wait for it too.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import click
import orjson
from joblib import cpu_count

from schemas.events.position import SourcePosition
from schemas.events.product import decode_product
from tests.benchmarks.catalogue_options import DIRECTORY
from tests.benchmarks.throughput.events import Event, generate, read_real
from workers.bundle.bundle import Bundle
from workers.bundle.for_good import load_for_good
from workers.bundle.release import EVALUATION
from workers.classify import Positioned, classify

_SEED = 5
_IN_MEMORY = 20_000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--bundle", type=DIRECTORY, required=True, help="Of `shelfwise fit`.")
@click.option("--data", type=DIRECTORY, help="Where real catalogues lie, for a quarter of the products.")
@click.option("--products", type=click.IntRange(2 * _IN_MEMORY), default=300_000, show_default=True)
@click.option("--processes", type=click.IntRange(1), default=cpu_count, help="Default: one for each core.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
def main(bundle: Path, data: Path | None, products: int, processes: int, rounds: int) -> None:
    """Classify a file as a user does, and products in memory, in turn; print JSON.

    Example: python -m tests.benchmarks.backfill --bundle var/bundle
    """
    events = generate(_SEED, products, None if data is None else read_real(data, products))
    with TemporaryDirectory() as directory:
        file = Path(directory) / "products.jsonl"
        file.write_bytes(b"".join(value + b"\n" for _, value in events))
        memory = InMemory(bundle, events[: 2 * _IN_MEMORY], processes)
        found = [(memory.rate(), _file(bundle, file, processes), memory.rate()) for _ in range(rounds)]
    rates = [products / seconds for _, seconds, _ in found]
    ratios = [rate / mean((before, after)) for rate, (before, _, after) in zip(rates, found, strict=True)]
    figures: dict[str, Any] = {
        "products": products,
        "processes": processes,
        "file_products_per_second": [round(rate) for rate in rates],
        "in_memory_products_per_second": [(round(before), round(after)) for before, _, after in found],
        "over_in_memory": {"median": round(median(ratios), 3), "rounds": [round(ratio, 3) for ratio in ratios]},
    }
    sys.stdout.write(orjson.dumps(figures).decode() + "\n")


@dataclass(frozen=True)
class InMemory:
    """Processes that hold the products and the model in memory."""

    bundle: Path
    events: list[Event]
    processes: int

    def rate(self) -> float:
        """Return the products per second of all processes together."""
        spawn = get_context("spawn")
        together = spawn.Barrier(self.processes)
        with ProcessPoolExecutor(
            self.processes, spawn, _Process.begin, (self.bundle, self.events, together)
        ) as pool:
            return sum(pool.map(_Process.rate, range(self.processes)))


class _Process:
    """The state that each process keeps."""

    model: Bundle
    products: list[Positioned]
    together: Barrier

    @classmethod
    def begin(cls, bundle: Path, events: list[Event], together: Barrier) -> None:
        cls.products, cls.together = list(map(_positioned, events)), together
        cls.model = load_for_good(bundle, EVALUATION)

    @classmethod
    def rate(cls, _number: int) -> float:
        for _ in classify(cls.model, cls.products[:_IN_MEMORY]):
            pass
        cls.together.wait()
        began = perf_counter()
        count = sum(1 for _ in classify(cls.model, cls.products[_IN_MEMORY:]))
        return count / (perf_counter() - began)


def _positioned(event: Event) -> Positioned:
    key, value = event
    return decode_product(value, key), SourcePosition("in memory", 0, 0)


def _file(bundle: Path, file: Path, processes: int) -> float:
    command = [sys.executable, "-m", "streams.cli", "classify", "--bundle", str(bundle), str(file)]
    options = ["--processes", str(processes), "--output", str(file.with_name("decisions.jsonl"))]
    began = perf_counter()
    subprocess.run([*command, *options], check=True, stderr=subprocess.DEVNULL)
    seconds = perf_counter() - began
    file.with_name("decisions.jsonl").unlink()
    return seconds


if __name__ == "__main__":
    main()
