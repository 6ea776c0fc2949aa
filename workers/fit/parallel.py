"""Independent pieces of fitting side by side, one thread a core.

The libraries release the interpreter's lock. Each piece computes with one thread: libraries that spread one
computation over all cores wait for the slowest at every step, which on a busy machine costs them tenfold.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from workers.fit.progress import Progress

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def map_parallel(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], step: str, progress: Progress
) -> list[Result]:
    """Return the result of each piece, in order; the first failure is raised."""
    results: list[Result] = []
    progress(step, 0, len(pieces))
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(work, pieces):
            results.append(result)
            progress(step, len(results), len(pieces))
    return results
