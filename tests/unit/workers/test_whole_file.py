"""A file is written whole or not at all, and what stands under its name stays what it is."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from schemas.errors import InvalidFile
from workers.whole_file import whole_file


def write(path: Path, data: bytes) -> None:
    with whole_file(path) as file:
        file.write(data)


def test_what_is_not_finished_leaves_the_file_before_it_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report"
    write(path, b"first")

    def fail() -> None:
        with whole_file(path) as file:
            file.write(b"half of the sec")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_goes_on_pointing_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    target, link = tmp_path / "shared" / "report", tmp_path / "report"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_link_that_somebody_put_beside_it_is_not_followed(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.write_bytes(b"theirs")
    (tmp_path / ".report.part").symlink_to(others)
    write(tmp_path / "report", b"ours")
    assert others.read_bytes() == b"theirs"


def test_of_two_that_write_it_at_once_each_writes_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "report"
    with whole_file(path) as one:
        one.write(b"one")
        with whole_file(path) as other:
            other.write(b"the other")
        assert path.read_bytes() == b"the other"
    assert path.read_bytes() == b"one"


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[bytes] = []
    reader = Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    write(path, b"through")
    reader.join()
    assert found == [b"through"]
    assert path.is_fifo()


@pytest.mark.parametrize("name", ["nowhere/report", "n" * 254, "."])
def test_where_nothing_can_be_written_the_error_names_the_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidFile, match="name a file that can be written"):
        write(tmp_path / name, b"x")
    assert not list(tmp_path.iterdir())
