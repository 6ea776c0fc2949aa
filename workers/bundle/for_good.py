"""Load a bundle for the lifetime of a process that does little else than decide."""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import threadpool_limits

from workers.bundle.bundle import Bundle, load_bundle
from workers.bundle.release import Admission
from workers.garbage import collect_rarely, exempt_from_collection


def load_for_good(directory: Path, admission: Admission) -> Bundle:
    """Load a bundle for the rest of the process's life; raises as :func:`workers.bundle.bundle.load_bundle`.

    From then on BLAS uses one thread, as in the stream: more threads take twice the CPU and save hardly any time.
    The garbage collector runs rarely, and ignores everything that exists by then.
    """
    collect_rarely()
    with exempt_from_collection():
        bundle = load_bundle(directory, admission)
    threadpool_limits(1)
    return bundle
