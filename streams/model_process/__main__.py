"""The entry point of the model process that a worker starts."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from streams.model_process.niceness import Caller, in_this_thread, nicely
from streams.model_process.options import BESIDE_ANOTHER
from streams.reporting import child


def main() -> int:
    """Set up the process, import its code and answer requests.

    The import takes a second of CPU time, which another model that decides meanwhile may need.
    """
    pipe = child.begin()
    # Ignored, because a manager such as systemd stops all processes of a service at once, and the worker, which it
    # stops too, still has requests.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    call: Caller = nicely if BESIDE_ANOTHER in sys.argv else in_this_thread
    return call(_imported)(pipe, call)


def _imported() -> Callable[[int, Caller], int]:
    from streams.model_process.answering import answer

    return answer


if __name__ == "__main__":
    sys.exit(main())
