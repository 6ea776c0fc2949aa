from __future__ import annotations

import subprocess
import sys

LOWERED = """
import resource
from streams.open_files import allow_many_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 3000))
allow_many_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_a_process_may_open_as_many_files_as_its_hard_limit_allows() -> None:
    done = subprocess.run([sys.executable, "-c", LOWERED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3000", "3000"]
