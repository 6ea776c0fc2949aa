"""A model is loaded ready to decide, and beside others with what these leave of the CPU."""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InvalidBundle
from streams.model_process import loading
from streams.settings import Settings
from workers.ranking.ranking import Ranking

pytestmark = pytest.mark.unit


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no niceness of threads")
def test_what_is_decided_meanwhile_goes_before_the_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []

    def look(_settings: Settings) -> Any:
        found.append(niceness())

    monkeypatch.setattr(loading, "load", look)
    loading.load_beside_others(Settings(data_dir=tmp_path))
    assert found == [min(niceness() + 10, 19)]


def test_a_bundle_that_cannot_decide_is_refused(
    sample_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IndexError("no such row")

    monkeypatch.setattr(Ranking, "decide", fail)
    with pytest.raises(InvalidBundle, match=r"cannot decide: IndexError: no such row; make it anew"):
        loading.load(Settings(bundle=sample_bundle, data_dir=tmp_path))
    assert gc.isenabled()
