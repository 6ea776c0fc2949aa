"""A model is loaded ready to decide."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from schemas.errors import InvalidBundle
from streams.model_process import loading
from streams.settings import Settings
from workers.ranking.ranking import Ranking


def test_a_bundle_that_cannot_decide_is_refused(
    sample_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IndexError("no such row")

    monkeypatch.setattr(Ranking, "decide", fail)
    with pytest.raises(InvalidBundle, match=r"cannot decide: IndexError: no such row; make it anew"):
        loading.load(Settings(bundle=sample_bundle, data_dir=tmp_path))
    assert gc.isenabled()
