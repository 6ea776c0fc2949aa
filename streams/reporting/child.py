"""A process that reports, from within."""

from __future__ import annotations

import os
import sys

from streams.child_process import die_with_parent
from streams.logs import configure_logging
from workers.garbage import collect_seldom


def begin() -> int:
    """Set the process up; returns the file descriptor of :class:`streams.reporting.report.Reporter`."""
    die_with_parent()
    # What anything prints shall not come between the lines of the report.
    pipe = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    configure_logging(debug="--debug" in sys.argv[1:])
    collect_seldom()
    return pipe
