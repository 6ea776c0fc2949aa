"""What a worker refuses before it loads anything."""

from __future__ import annotations

import subprocess
import sys
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


def test_it_hears_that_it_should_stop_while_it_still_waits_for_kafka(tmp_path: Path) -> None:
    """The first process of a container gets no signal that it does not handle, and would be killed at last."""
    command = ["worker", "--bootstrap-servers", "127.0.0.1:1", "--metrics-port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "streams.cli", *command], stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stderr is not None
        assert "metrics at" in worker.stderr.readline()
        worker.terminate()
        assert worker.wait(30) == 130
