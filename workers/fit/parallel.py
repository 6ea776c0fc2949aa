"""Independent pieces of fitting side by side, one core each.

Each piece computes with one thread: libraries that spread one computation over all cores wait for the slowest at
every step, which on a busy machine costs them tenfold.
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
    """Return the result of each piece, in order, by threads: for work in libraries that release the lock."""
    with threadpool_limits(1), ThreadPoolExecutor(_CORES) as pool:
        return _collect(pool.map(work, pieces), len(pieces), step, progress)


def map_processes(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], step: str, progress: Progress
) -> list[Result]:
    """Return the result of each piece, in order, by processes: for work in Python, or in LIBLINEAR.

    LIBLINEAR's random numbers are one sequence a process: two threads would make a fit irreproducible.
    """
    pool = Parallel(n_jobs=min(_CORES, len(pieces)), return_as="generator")
    try:
        return _collect(pool(delayed(_alone)(work, piece) for piece in pieces), len(pieces), step, progress)
    finally:
        # Else they keep their memory for minutes, and a process that was itself started by one waits for them.
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
