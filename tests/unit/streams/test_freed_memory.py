"""Memory that was freed goes back to the system."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from streams.freed_memory import give_back

MEGABYTE = 1_000_000


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what was freed")
def test_what_was_freed_between_blocks_in_use_goes_back_to_the_system() -> None:
    blocks = [bytes(1_000) for _ in range(100_000)]
    in_use = blocks[::1_000]
    del blocks
    before = resident_bytes()
    give_back()
    assert before - resident_bytes() > 50 * MEGABYTE
    assert len(in_use) == 100
