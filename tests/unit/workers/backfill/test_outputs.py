"""Outputs tell where they end, whatever an interruption left of them."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidFile
from schemas.events.decision import Alternative, Category, CategoryAssigned, Decision, Evidence, NeedsReview
from schemas.events.position import SourcePosition
from workers.backfill.forms import ENCODERS, form_of
from workers.backfill.outputs import Last, find_ending, open_output

_LAMPS = Category("2", ("Home", "Lamps"))


def decided(line: int) -> Decision:
    common = {
        "decision_id": f"d{line}",
        "product_id": f"p{line}",
        "confidence": 0.9,
        "alternatives": (Alternative(_LAMPS, 0.9),),
        "evidence": (Evidence(signal="linear_text", contribution=1.5, rank=1),),
        "model_version": "model 1",
        "taxonomy_version": "1",
        "source": SourcePosition("products.jsonl", 0, line),
        "stores": ("Bright",),
        "tags": ("For the desk",),
        "product_updated_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    if line % 2:
        return NeedsReview(reason="low_confidence", **common)  # type: ignore[arg-type]
    return CategoryAssigned(category=_LAMPS, backed_off=False, also=(), **common)  # type: ignore[arg-type]


def write(path: Path, chunks: Sequence[Sequence[int]], *, resume: bool = False) -> None:
    with closing(open_output(path, find_ending(path, resume=resume))) as output:
        for lines in chunks:
            output.append(ENCODERS[form_of(path)]([decided(line) for line in lines]))


def last_line(path: Path) -> int:
    last = find_ending(path, resume=True).last
    return last.source.offset if last else 0


def contents(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in [path, *path.rglob("*")] if file.is_file()}


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_an_output_goes_on_after_its_last_decision(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert last_line(path) == 0
    write(path, [[1, 2], [3]], resume=True)
    assert last_line(path) == 3
    write(path, [[5]], resume=True)
    assert last_line(path) == 5


def test_an_ending_tells_the_product_its_place_and_the_model(tmp_path: Path) -> None:
    for name in ("out.jsonl", "out.parquet"):
        write(tmp_path / name, [[1, 2]])
        last = find_ending(tmp_path / name, resume=True).last
        assert last == Last("p2", SourcePosition("products.jsonl", 0, 2), "model 1")


@settings(max_examples=60)
@given(st.floats(0, 1))
def test_a_line_that_was_cut_is_taken_off_and_written_again(
    tmp_path_factory: pytest.TempPathFactory, part: float
) -> None:
    path, whole = tmp_path_factory.mktemp("cut") / "out.jsonl", tmp_path_factory.mktemp("whole") / "out.jsonl"
    write(whole, [range(1, 4)])
    content = whole.read_bytes()
    first = content.index(b"\n") + 1
    cut = content[: first + round(part * (len(content) - first))]
    path.write_bytes(cut)
    done = last_line(path)
    assert done == cut.count(b"\n")
    assert path.read_bytes() == cut
    write(path, [range(done + 1, 4)], resume=True)
    assert path.read_bytes() == content


def test_parquet_has_the_fields_of_decisions_as_columns(tmp_path: Path) -> None:
    write(tmp_path / "out.parquet", [[1, 2]])
    first, second = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (first["outcome"], first["category"], first["reason"]) == ("needs_review", None, "low_confidence")
    assert (second["outcome"], second["category"]) == ("assigned", {"id": "2", "path": ["Home", "Lamps"]})
    assert second["evidence"] == [{"signal": "linear_text", "contribution": 1.5, "rank": 1, "score": None}]
    assert second["product_updated_at"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_part_that_was_not_finished_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    write(path, [[line] for line in range(1, 70)])
    parts = sorted(path.iterdir())
    assert [part.name for part in parts] == ["part-000000.parquet", "part-000001.parquet"]
    parts[1].rename(path / "part-000001.parquet.unfinished")
    assert last_line(path) == 64
    assert (path / "part-000001.parquet.unfinished").exists()
    write(path, [range(65, 70)], resume=True)
    assert [row["source"]["offset"] for row in pq.read_table(path).to_pylist()] == list(range(1, 70))


def test_an_output_that_exists_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write(path, [[1]])
    with pytest.raises(InvalidFile, match="--resume"):
        find_ending(path, resume=False)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("lines.jsonl", b'{"title": "a lamp"}\n', "last line is no decision"),
        ("unfinished.jsonl", b'{"a": 1}\n{"a": 2}', "last line is no decision"),
        ("one_line.jsonl", b'{"a": 1}', "no complete decision"),
        ("text.jsonl", b"\xff\n", "last line is no decision"),
        ("file.parquet", b"PAR1", "no directory"),
        ("part.parquet/part-000000.parquet", b"PAR1", "cannot be read as decisions"),
        ("gap.parquet/part-000001.parquet", b"PAR1", "one is missing"),
        ("others.parquet/products.parquet", b"PAR1", "holds products.parquet"),
        ("directory.jsonl/file", b"", "no file"),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    path = tmp_path / name.partition("/")[0]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    before = contents(path)
    with pytest.raises(InvalidFile, match=problem):
        find_ending(path, resume=True)
    assert contents(path) == before


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.jsonl")
    with pytest.raises(InvalidFile, match=r"out\.jsonl is no file; name another"):
        find_ending(tmp_path / "out.jsonl", resume=True)


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_directories_that_are_not_there_are_made(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a" / "b" / name
    write(path, [[1]])
    assert last_line(path) == 1


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_an_output_that_cannot_be_opened_is_told_of(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "a" / name
    with pytest.raises(InvalidFile, match="Not a directory; name an output that can be written"):
        write(path, [[1]])
    with pytest.raises(InvalidFile, match="File name too long"):
        write(tmp_path / ("a" * 300 + name), [[1]])


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_where_there_is_no_more_room_what_is_whole_is_kept(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    write(path, [[1]])
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
        with pytest.raises(InvalidFile, match="File too large; name an output"):
            write(path, [range(2, 2_000)], resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    done = last_line(path)
    assert 1 <= done < 100
    write(path, [range(done + 1, 2_000)], resume=True)
    assert last_line(path) == 1_999


def test_parquet_is_not_written_under_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="needs a name in valid UTF-8; name another output"):
        find_ending(tmp_path / os.fsdecode(b"\xff.parquet"), resume=False)


def test_a_name_that_does_not_say_what_to_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"\.jsonl, \.ndjson, \.parquet"):
        form_of(tmp_path / "out.xlsx")
