"""Many processes decide as one would, in the order of the file."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.errors import InvalidFile, InvalidProducts, ShelfwiseError
from schemas.events.codec import decode
from schemas.events.decision import CategoryAssigned
from schemas.events.position import SourcePosition
from workers.backfill.chunks import Chunk, chunks_of
from workers.backfill.forms import to_json_lines
from workers.backfill.outputs import Last
from workers.backfill.run import Job, chunks_after, decide_all
from workers.bundle.bundle import load_bundle
from workers.classify import classify
from workers.product_files import ProductFile


@pytest.fixture
def products(tmp_path: Path) -> Path:
    path = tmp_path / "products.jsonl"
    rows = [{"product_id": f"p{number}", "title": f"Desk lamp {number}"} for number in range(50)]
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path


def test_processes_decide_every_product_as_one_does_in_the_order_of_the_file(
    sample_bundle: Path, products: Path
) -> None:
    source = ProductFile(products)
    positioned = ((item.product, SourcePosition(source.name, 0, item.line)) for item in source)
    expected = to_json_lines(classify(load_bundle(sample_bundle), positioned))
    job = Job(sample_bundle, source.name, "jsonl")
    for processes in (1, 2):
        decided = list(decide_all(job, chunks_of(source, 0, 7), processes))
        assert b"".join(item.payload for item in decided) == expected
        assert sum(item.outcomes.total() for item in decided) == 50
        assert decided[-1].bytes_read == products.stat().st_size


def test_lines_that_were_decided_are_left_out(products: Path) -> None:
    lines = [item.line for chunk in chunks_of(ProductFile(products), 33) for item in chunk.unpack()]
    assert lines == list(range(34, 51))


def last(line: int, **changes: str) -> Last:
    told = {"product_id": f"p{line - 1}", "file": "products.jsonl", "model": "model 1"} | changes
    return Last(told["product_id"], SourcePosition(told["file"], 0, line), told["model"])


@pytest.mark.parametrize("size", [1, 7, 100])
def test_what_comes_after_the_last_decision_is_left(products: Path, size: int) -> None:
    for line in (1, 33, 49, 50):
        chunks = chunks_after(last(line, file=str(products)), ProductFile(products), "model 1", size)
        assert [item.line for chunk in chunks for item in chunk.unpack()] == list(range(line + 1, 51))


def test_a_file_is_known_under_each_of_its_names(products: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(products.parent)
    (products.parent / "link.jsonl").symlink_to(products)
    for name in ("products.jsonl", "./products.jsonl", "link.jsonl", str(products)):
        for begun_as in ("products.jsonl", str(products)):
            chunks = chunks_after(last(50, file=begun_as), ProductFile(Path(name)), "model 1", 10)
            assert list(chunks) == []


@pytest.mark.parametrize(
    ("ending", "problem"),
    [
        (last(5, file="other.csv"), r"on other\.csv, not on products\.jsonl; name another"),
        (last(5, model="model 2"), "begun with model model 2, and this is model 1"),
        (last(5, product_id="x"), r"has product 'p4' on line 5, .* on 'x'; .* begin anew without --resume"),
        (last(51), r"has no product on line 51, .* on 'p50'"),
    ],
)
def test_an_output_of_another_file_or_model_is_refused_at_once(
    products: Path, monkeypatch: pytest.MonkeyPatch, ending: Last, problem: str
) -> None:
    monkeypatch.chdir(products.parent)
    with pytest.raises(InvalidFile, match=problem):
        chunks_after(ending, ProductFile(Path("products.jsonl")), "model 1", 10)


def test_what_comes_before_a_bad_row_is_decided(sample_bundle: Path, products: Path) -> None:
    with products.open("ab") as file:
        file.write(b'{"product_id": "bad"}\n')
    decisions = decide_all(
        Job(sample_bundle, "products.jsonl", "jsonl"), chunks_of(ProductFile(products), 0, 20), 2
    )
    found: list[bytes] = []
    with pytest.raises(InvalidProducts, match="line 51, column title: is missing"):
        found.extend(item.payload for item in decisions)
    lines = b"".join(found).splitlines()
    assert [decode(line, CategoryAssigned).source.offset for line in lines][-1] == 50


def test_a_process_that_dies_is_told_of(sample_bundle: Path, products: Path) -> None:
    def deadly() -> Iterator[Chunk]:
        yield from chunks_of(ProductFile(products), 0, 50)
        for child in _children():
            os.kill(child, signal.SIGKILL)
        yield from chunks_of(ProductFile(products), 0, 50)

    with pytest.raises(ShelfwiseError, match="fewer with --processes"):
        list(decide_all(Job(sample_bundle, "products.jsonl", "jsonl"), deadly(), 2))


_PARENT = """
import itertools, multiprocessing, sys
from pathlib import Path
from workers.backfill.chunks import chunks_of
from workers.backfill.run import Job, decide_all
from workers.product_files import ProductFile

bundle, products = map(Path, sys.argv[1:])
chunks = itertools.cycle(list(chunks_of(ProductFile(products), 0, 10)))
decisions = decide_all(Job(bundle, "products.jsonl", "jsonl"), chunks, 2)
next(decisions)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
for _ in decisions:
    pass
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_their_parent_however_that_ends(
    sample_bundle: Path, products: Path, how: signal.Signals
) -> None:
    command = [sys.executable, "-c", _PARENT, str(sample_bundle), str(products)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(child) for child in parent.stdout.readline().split()]
        assert len(children) == 2
        parent.send_signal(how)
        try:
            # The children have the parent's standard output, so it ends when they all have.
            parent.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            for child in children:
                os.kill(child, signal.SIGKILL)
            pytest.fail("the children live on")


def _children() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]
