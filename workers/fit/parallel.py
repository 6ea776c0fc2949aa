"""Run independent parts of a fit in parallel, one core each.

Each part computes with one thread. Libraries that spread a single computation over all cores wait for the slowest
one at every step, which on a busy machine makes them ten times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky import get_reusable_executor
from threadpoolctl import threadpool_limits

from workers.progress import Progress

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_CORES: Final[int] = cpu_count()


def map_threads(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], step: str, progress: Progress
) -> list[Result]:
    """Return the result of each piece, in order, using threads: for work in libraries that release the GIL."""
    with threadpool_limits(1), ThreadPoolExecutor(_CORES) as pool:
        return _collect(pool.map(work, pieces), len(pieces), step, progress)


def map_processes(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], step: str, progress: Progress
) -> list[Result]:
    """Return the result of each piece, in order, using processes: for work in Python, or in LIBLINEAR.

    LIBLINEAR has one sequence of random numbers per process, so two threads would make a fit irreproducible.
    """
    pool = Parallel(n_jobs=min(_CORES, len(pieces)), return_as="generator")
    try:
        return _collect(pool(delayed(_alone)(work, piece) for piece in pieces), len(pieces), step, progress)
    finally:
        # Otherwise the workers keep their memory for minutes, and a process started by one of them waits for them.
        get_reusable_executor().shutdown()


def _alone(work: Callable[[Piece], Result], piece: Piece) -> Result:
    with threadpool_limits(1):
        return work(piece)


def _collect(results: Iterable[Result], count: int, step: str, progress: Progress) -> list[Result]:
    progress(step, 0, count)
    collected: list[Result] = []
    for result in results:
        collected.append(result)
        progress(step, len(collected), count)
    return collected
