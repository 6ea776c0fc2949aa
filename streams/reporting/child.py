"""Set up a reporting process, from within that process."""

from __future__ import annotations

import os
import sys

from streams.child_process import die_with_parent
from streams.logs import configure_logging
from workers.garbage import collect_rarely


def begin() -> int:
    """Set up the process; return the file descriptor for :class:`streams.reporting.report.Reporter`."""
    die_with_parent()
    # Redirect standard output to standard error, so that printed text does not mix with the lines of the report.
    pipe = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    configure_logging(debug="--debug" in sys.argv[1:])
    collect_rarely()
    return pipe
