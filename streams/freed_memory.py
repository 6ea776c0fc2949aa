"""Give memory that a burst of work has freed back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Final

_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def give_back() -> None:
    """Return the free pages of the heap to the system; does nothing unless the C library is glibc.

    By itself, glibc returns only what is free at the very end of an arena (malloc_trim(3)), and threads have
    different arenas. So each time a table was recovered or a topic was read into memory, up to 200 MB of freed
    memory remained with the process. Takes up to 50 ms; other threads go on.
    """
    if _LIBC is not None:
        with suppress(AttributeError):  # another C library, such as musl
            _LIBC.malloc_trim(0)
