"""Outputs tell where they end, whatever an interruption left of them."""

from __future__ import annotations

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
from workers.backfill.forms import ENCODERS
from workers.backfill.outputs import form_of, line_to_go_on_after, open_output

pytestmark = pytest.mark.unit

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
        "product_updated_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    if line % 2:
        return NeedsReview(reason="low_confidence", **common)  # type: ignore[arg-type]
    return CategoryAssigned(category=_LAMPS, backed_off=False, also=(), **common)  # type: ignore[arg-type]


def write(path: Path, chunks: Sequence[Sequence[int]], *, resume: bool = False) -> None:
    with closing(open_output(path, resume=resume)) as output:
        for lines in chunks:
            output.append(ENCODERS[form_of(path)]([decided(line) for line in lines]))


def last_line(path: Path) -> int:
    with closing(open_output(path, resume=True)) as output:
        return line_to_go_on_after(output, "products.jsonl", "model 1")


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_an_output_goes_on_after_its_last_decision(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert last_line(path) == 0
    write(path, [[1, 2], [3]], resume=True)
    assert last_line(path) == 3
    write(path, [[5]], resume=True)
    assert last_line(path) == 5


@settings(max_examples=60)
@given(st.integers(0, 2_000))
def test_a_line_that_was_cut_is_taken_off_and_written_again(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path, whole = tmp_path_factory.mktemp("cut") / "out.jsonl", tmp_path_factory.mktemp("whole") / "out.jsonl"
    write(whole, [range(1, 4)])
    content = whole.read_bytes()
    path.write_bytes(content[:cut])
    done = last_line(path)
    assert done == content[:cut].count(b"\n")
    write(path, [range(done + 1, 4)], resume=True)
    assert path.read_bytes() == content


def test_parquet_has_the_fields_of_decisions_as_columns(tmp_path: Path) -> None:
    write(tmp_path / "out.parquet", [[1, 2]])
    first, second = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (first["outcome"], first["category"], first["reason"]) == ("needs review", None, "low_confidence")
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
    write(path, [range(65, 70)], resume=True)
    assert [row["source"]["offset"] for row in pq.read_table(path).to_pylist()] == list(range(1, 70))


def test_an_output_that_exists_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write(path, [[1]])
    with pytest.raises(InvalidFile, match="--resume"):
        open_output(path, resume=False)


def test_an_output_of_another_file_or_model_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "out.jsonl", [[1]])
    with closing(open_output(tmp_path / "out.jsonl", resume=True)) as output:
        with pytest.raises(InvalidFile, match=r"on products\.jsonl, not on other\.csv"):
            line_to_go_on_after(output, "other.csv", "model 1")
        with pytest.raises(InvalidFile, match="begun with model model 1"):
            line_to_go_on_after(output, "products.jsonl", "model 2")


def test_what_holds_no_decisions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_bytes(b'{"title": "a lamp"}\n')
    with pytest.raises(InvalidFile, match="last line is no decision"):
        open_output(tmp_path / "out.jsonl", resume=True)
    (tmp_path / "out.parquet").mkdir()
    (tmp_path / "out.parquet" / "part-000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidFile, match="cannot be read as decisions"):
        open_output(tmp_path / "out.parquet", resume=True)
    (tmp_path / "gap.parquet").mkdir()
    (tmp_path / "gap.parquet" / "part-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidFile, match="one is missing"):
        open_output(tmp_path / "gap.parquet", resume=True)


def test_a_name_that_does_not_say_what_to_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"\.jsonl, \.ndjson, \.parquet"):
        form_of(tmp_path / "out.xlsx")
