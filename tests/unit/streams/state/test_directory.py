"""Several workers share a data directory, each with tables of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from schemas.errors import InvalidSettings
from streams.state.directory import TableDirectory


def test_two_processes_get_directories_of_their_own_and_a_later_one_finds_what_the_first_left(
    tmp_path: Path,
) -> None:
    first, second = TableDirectory.claim(tmp_path), TableDirectory.claim(tmp_path)
    assert first.path != second.path
    first.release()
    first.release()
    assert TableDirectory.claim(tmp_path).path == first.path


@pytest.mark.parametrize("replaced", [False, True])
def test_a_directory_removed_or_replaced_under_its_process_is_gone(tmp_path: Path, replaced: bool) -> None:
    directory, other = TableDirectory.claim(tmp_path), TableDirectory.claim(tmp_path)
    shutil.rmtree(directory.path)
    if replaced:
        assert TableDirectory.claim(tmp_path).path == directory.path
    assert (directory.gone, other.gone) == (True, False)


def test_a_data_directory_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSettings, match=r"file.*SHELFWISE_DATA_DIR"):
        TableDirectory.claim(tmp_path / "file")
