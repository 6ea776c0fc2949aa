"""Load a bundle into a process that does little else than decide."""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import threadpool_limits

from workers.bundle.bundle import Bundle, load_bundle
from workers.bundle.release import Admission
from workers.garbage import collect_seldom, made_to_stay


def load_for_good(directory: Path, admission: Admission) -> Bundle:
    """Load a bundle that is needed until the process ends; raises as :func:`workers.bundle.bundle.load_bundle`.

    From now on BLAS computes in one thread, as in the stream: more take twice the CPU and hardly less time. And
    the collector of garbage comes seldom, and leaves alone all that is there by now.
    """
    collect_seldom()
    with made_to_stay():
        bundle = load_bundle(directory, admission)
    threadpool_limits(1)
    return bundle
