"""ONNX Runtime sends nothing, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import numpy as np
from workers.arrays.eight_bits import _multiplier
_multiplier(np.ones((2, 3), np.int8))
"""
# With these it is silent by itself.
_SILENCING = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY"}


def test_a_session_keeps_nothing_to_be_sent(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in _SILENCING}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", _PROGRAM], check=True, env=environment)
    assert list(tmp_path.rglob("*onnxruntime*")) == []
