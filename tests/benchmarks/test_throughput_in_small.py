"""The throughput benchmark in small; its ratios are shown at the end of every test run, and fail no test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.benchmarks.throughput.document import TARGETS, Target

# Quix Streams needs a separate environment.
_CONTESTANTS = ("bare", "plain_faust", "ours")
_RATIOS = ("vs_bare_loop", "vs_plain_faust", "cpu_over_model")
# Shared machines vary: a ratio further from its target than this factor is marked.
_FAR = 2.0


@pytest.mark.timeout(600)
def test_the_benchmark_in_small_measures_what_it_names(
    sample_bundle: Path, tmp_path: Path, report: Callable[[str], None]
) -> None:
    out = tmp_path / "figures.json"
    only = [word for name in _CONTESTANTS for word in ("--only", name)]
    small = [
        "--short",
        "--events",
        "3000",
        "--no-latency",
        "--bundle",
        str(sample_bundle),
        "--data",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.throughput", *small, *only, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = orjson.loads(out.read_bytes())
    assert found.keys() >= set(_RATIOS), found
    for target in TARGETS:
        if target.key in _RATIOS:
            report(_line(target, found[target.key]))


def _line(target: Target, figure: float | None) -> str:
    if not figure:
        return f"{target.key} was not measured: this machine was too slow"
    off = target.value / figure if target.least else figure / target.value
    bound = f"at {'least' if target.least else 'most'} {target.value}"
    return f"{target.key} {figure:.2f}, aim {bound}{': FAR OFF' if off > _FAR else ''}"
