from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.errors import InvalidFile, InvalidSettings
from streams.replay.progress_file import Remaining, ReplayProgress, load_progress, save_progress
from streams.replay.span import Span, parse_bound

PROGRESS = ReplayProgress(
    topic="products.changed.v1", begin="0", end=None, partitions=[Remaining(0, 5, 9), Remaining(1, 4, 4)]
)


def test_a_bound_is_an_offset_a_time_or_the_beginning() -> None:
    assert parse_bound("beginning") == 0
    assert parse_bound("1200") == 1200
    assert parse_bound("2026-01-31T08:00:00+00:00") == datetime(2026, 1, 31, 8, tzinfo=UTC)
    local = parse_bound("2026-01-31")
    assert isinstance(local, datetime)
    assert local.utcoffset() is not None


@pytest.mark.parametrize("text", ["", "yesterday", "-1", "1.5", "2026-13-01", "9" * 30])
def test_what_is_neither_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(InvalidSettings, match="give an offset"):
        parse_bound(text)


def test_progress_is_kept_and_what_is_done_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "replay.json"
    assert load_progress(file) is None
    save_progress(file, PROGRESS)
    assert load_progress(file) == PROGRESS
    assert PROGRESS.spans == [Span(0, 5, 9)]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"topic": 3}', b"\xff", b"[" * 100_000])
def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    with pytest.raises(InvalidFile, match=r"other\.json does not say how far"):
        load_progress(file)


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="name a file that can be written"):
        save_progress(tmp_path / "nowhere" / "replay.json", PROGRESS)
