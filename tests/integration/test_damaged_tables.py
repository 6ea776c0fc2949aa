"""A worker whose tables are damaged or removed says so, and then works again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.worker_harness import Installation


def test_a_worker_whose_tables_are_damaged_names_their_folder_and_works_again_once_it_is_deleted(
    installation: Installation,
) -> None:
    with installation.worker() as worker:
        assert worker.stop() == 0
        for file in installation.directory.rglob("product_digests-*.db/CURRENT"):
            file.write_bytes(b"")
        assert worker.start().wait() == 1
        said = r"recall failed: .*Corruption.*: delete (\S+), and start the worker again"
        named = re.search(said, worker.log.read_text())
        assert named
        shutil.rmtree(Path(named[1]))
        worker.start().wait_until_ready()
        assert worker.stop() == 0


def test_a_worker_whose_tables_are_removed_under_it_ends_and_works_again_when_it_is_started(
    installation: Installation,
) -> None:
    with installation.worker() as worker:
        shutil.rmtree(next(path for path in installation.directory.glob("worker-*") if path.is_dir()))
        assert worker.wait() == 1
        assert re.search(r"failed: .*the tables' directory \S+ was removed", worker.log.read_text())
        worker.start().wait_until_ready()
        assert worker.stop() == 0
