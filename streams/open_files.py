"""How many files a process may have open."""

from __future__ import annotations

import resource
from typing import Final

# Far more than the tables of a thousand partitions need.
_ENOUGH: Final = 1_048_576


def allow_many_open_files() -> None:
    """Raise this process's limit as far as it may itself, and with it that of the processes that it starts.

    Shells and newer container engines give 1,024, which suits programs that use select(2); the tables of learning
    alone may need twice as many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
