"""Many processes decide as one would, in the order of the file."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.errors import InvalidProducts, ShelfwiseError
from schemas.events.codec import decode
from schemas.events.decision import CategoryAssigned
from schemas.events.position import SourcePosition
from workers.backfill.chunks import Chunk, chunks_of
from workers.backfill.run import Job, decide_all
from workers.bundle.bundle import load_bundle
from workers.classify import classify
from workers.product_files import ProductFile

pytestmark = pytest.mark.unit


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
    expected = b"".join(
        msgspec.json.encode(decision) + b"\n"
        for _, decision in classify(
            load_bundle(sample_bundle),
            ((item.product, SourcePosition(source.name, 0, item.line)) for item in source),
        )
    )
    job = Job(sample_bundle, source.name, "jsonl")
    for processes in (1, 2):
        decided = list(decide_all(job, chunks_of(source, 0, 7), processes))
        assert b"".join(item.payload for item in decided) == expected
        assert sum(item.outcomes.total() for item in decided) == 50
        assert decided[-1].bytes_read == products.stat().st_size


def test_lines_that_were_decided_are_left_out(products: Path) -> None:
    lines = [item.line for chunk in chunks_of(ProductFile(products), 33) for item in chunk.unpack()]
    assert lines == list(range(34, 51))


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


def _children() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]
