"""Which stages a worker runs."""

from __future__ import annotations

import pytest

from schemas.errors import InvalidSettings
from streams.settings import Settings
from streams.worker import run_worker

pytestmark = pytest.mark.unit


def test_to_learn_alone_where_learning_is_off_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="SHELFWISE_LEARNING"):
        run_worker(Settings(learning=False), ["learning"])
