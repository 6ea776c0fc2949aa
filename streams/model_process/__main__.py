"""The process of a model, as a worker starts it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from streams.model_process.niceness import Caller, at_once, nicely
from streams.model_process.options import BESIDE_ANOTHER
from streams.reporting import child


def main() -> int:
    """Begin, and import what it works with: a second of CPU time, which another model may need to decide."""
    pipe = child.begin()
    # Who stops all processes of a service at once, as systemd does, stops the worker, which has questions left.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    call: Caller = nicely if BESIDE_ANOTHER in sys.argv else at_once
    return call(_imported)(pipe, call)


def _imported() -> Callable[[int, Caller], int]:
    from streams.model_process.answering import answer

    return answer


if __name__ == "__main__":
    sys.exit(main())
