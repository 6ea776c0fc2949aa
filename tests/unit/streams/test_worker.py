"""What a worker refuses before it loads anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import InvalidSettings
from streams.settings import Settings
from streams.worker import run_worker


def test_to_learn_alone_where_learning_is_off_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="SHELFWISE_LEARNING"):
        run_worker(Settings(learning=False), ["learning"])


def test_standbys_without_tables_on_disk_are_refused() -> None:
    with pytest.raises(InvalidSettings, match=r"REPLICAS is 1.*SHELFWISE_TABLE_STORE=rocksdict"):
        run_worker(Settings(table_store="memory://", table_standby_replicas=1))


def test_a_data_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSettings, match="SHELFWISE_DATA_DIR"):
        run_worker(Settings(data_dir=tmp_path / "file" / "tables"))
