"""Run targets in processes of their own, so that a crash, a hang or a flood of memory is a finding too."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.bundle_targets import bundle_targets
from tests.fuzz.event_targets import event_targets
from tests.fuzz.file_targets import file_targets
from tests.fuzz.target import Target

# The most seconds that a single input may take; a hang ends its process.
HANG_SECONDS: Final = 20.0
# More CPU time than this is a finding: no input is larger than a megabyte.
SLOW_SECONDS: Final = 5.0
# Growth of a process's largest resident memory, over what it had before, in MiB.
MEMORY_MIB: Final = 1_500
_CHUNK: Final = 2_000
_MEMORY_DIRECTORY: Final = Path("/dev/shm")


@dataclass(frozen=True)
class Finding:
    """An input that did something else than to return or refuse; ``seed`` and ``number`` make it again."""

    target: str
    seed: int
    number: int
    problem: str
    place: str


@dataclass
class Tally:
    """What came of a target's inputs."""

    accepted: int = 0
    refused: int = 0
    slowest_seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """All."""
        return self.accepted + self.refused + len(self.findings)

    def add(self, other: Tally) -> None:
        """Add another's."""
        self.accepted += other.accepted
        self.refused += other.refused
        self.slowest_seconds = max(self.slowest_seconds, other.slowest_seconds)
        self.findings += other.findings


def make_targets(directory: Path, bundle: Path | None) -> list[Target]:
    """Return all; those of bundles only where there is one to alter."""
    targets = [*event_targets(), *file_targets(directory)]
    return targets + list(bundle_targets(bundle, directory) if bundle else ())


def run_inputs(target: Target, seed: int, numbers: range) -> Tally:
    """Run inputs of one target in this process."""
    tally = Tally()
    before = _peak_mib()
    for number in numbers:
        started = time.process_time()
        try:
            outcome = target.try_input(seed, number)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
            problem = f"{type(error).__name__}: {error}"[:300]
            tally.findings.append(Finding(target.name, seed, number, problem, place))
        else:
            tally.accepted += outcome == "accepted"
            tally.refused += outcome == "refused"
        seconds = time.process_time() - started
        tally.slowest_seconds = max(tally.slowest_seconds, seconds)
        if seconds > SLOW_SECONDS:
            tally.findings.append(Finding(target.name, seed, number, f"took {seconds:.1f} s", "slow"))
    if (grown := _peak_mib() - before) > MEMORY_MIB:
        tally.findings.append(Finding(target.name, seed, numbers[0], f"took {grown:.0f} MiB", "memory"))
    return tally


def shares(targets: Sequence[Target], inputs: int) -> dict[str, int]:
    """Return how many inputs each target gets, by weight, one at least."""
    total = sum(target.weight for target in targets)
    return {target.name: max(1, round(inputs * target.weight / total)) for target in targets}


def run_all(inputs: int, seed: int, processes: int, bundle: Path | None) -> dict[str, Tally]:
    """Run so many inputs in all; a process that ends is a finding, and its chunk is not run on."""
    with tempfile.TemporaryDirectory() as directory:
        targets = make_targets(Path(directory), bundle)
    tallies = {target.name: Tally() for target in targets}
    chunks = [
        (name, range(first, min(first + _CHUNK, count)))
        for name, count in shares(targets, inputs).items()
        for first in range(0, count, _CHUNK)
    ]
    while chunks:
        chunks = _run_chunks(chunks, tallies, seed, processes, bundle)
    return tallies


def _run_chunks(
    chunks: list[tuple[str, range]], tallies: dict[str, Tally], seed: int, processes: int, bundle: Path | None
) -> list[tuple[str, range]]:
    """Run chunks until one takes its process with it; return those that are left."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _prepare, (bundle,)) as pool:
        running = [(chunk, pool.submit(_run_chunk, chunk[0], seed, chunk[1])) for chunk in chunks]
        for place, ((name, _), future) in enumerate(running):
            try:
                tallies[name].add(future.result())
            except BrokenProcessPool:
                broken = [chunk for chunk, other in running[place:] if not other.done() or other.exception()]
                return _narrow(broken[:processes], tallies, seed, bundle) + broken[processes:]
    return []


def _narrow(
    suspects: list[tuple[str, range]], tallies: dict[str, Tally], seed: int, bundle: Path | None
) -> list[tuple[str, range]]:
    """Run the chunks that may have ended a process one by one; return none of them."""
    context = multiprocessing.get_context("spawn")
    for name, numbers in suspects:
        with ProcessPoolExecutor(1, context, _prepare, (bundle,)) as pool:
            try:
                tallies[name].add(pool.submit(_run_chunk, name, seed, numbers).result())
            except BrokenProcessPool:
                problem = (
                    f"the process ended, or hung for {HANG_SECONDS:.0f} s, within {len(numbers)} inputs from here"
                )
                tallies[name].findings.append(Finding(name, seed, numbers[0], problem, "process"))
    return []


_targets: dict[str, Target] = {}
_directory: list[tempfile.TemporaryDirectory[str]] = []


def _prepare(bundle: Path | None) -> None:
    logging.disable()
    base = str(_MEMORY_DIRECTORY) if _MEMORY_DIRECTORY.is_dir() else None
    _directory.append(tempfile.TemporaryDirectory(dir=base))
    for target in make_targets(Path(_directory[0].name), bundle):
        _targets[target.name] = target


def _run_chunk(name: str, seed: int, numbers: range) -> Tally:
    tally = Tally()
    step = 100
    for first in range(numbers.start, numbers.stop, step):
        # An input that hangs is found by the traceback of its process, which then ends.
        faulthandler.dump_traceback_later(HANG_SECONDS + SLOW_SECONDS, exit=True)
        try:
            tally.add(run_inputs(_targets[name], seed, range(first, min(first + step, numbers.stop))))
        finally:
            faulthandler.cancel_dump_traceback_later()
    return tally


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1_048_576 if sys.platform == "darwin" else 1_024)


def by_problem(findings: Sequence[Finding]) -> Counter[tuple[str, str, str]]:
    """Count findings by target, kind and place."""
    return Counter((item.target, item.problem.partition(":")[0], item.place) for item in findings)
