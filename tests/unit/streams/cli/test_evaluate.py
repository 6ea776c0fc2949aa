from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from tests.sample_model import sample_products


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluate") / "held-out.jsonl"
    lines = []
    for row in sample_products(21, 200):
        value = msgspec.to_builtins(row.product)
        lines.append(orjson.dumps({**value, "category_path": row.category_path}))
    lines.append(orjson.dumps({"product_id": "m", "title": "Moon rock", "category_path": ["Moon", "Rocks"]}))
    path.write_bytes(b"\n".join(lines))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, float) else []


def test_json_goes_to_standard_output_alone_and_what_is_left_out_to_standard_error(
    sample_bundle: Path, products: Path
) -> None:
    result = run("--bundle", sample_bundle, "--products", products, "--draws", 20, "--json")
    assert result.exit_code == 0, result.output
    document = orjson.loads(result.stdout)
    assert document["measured"]["file"] == "held-out.jsonl"
    assert document["n"] + document["unlabelled"] + document["unknown_category"] == 201
    assert document["exact_accuracy"] > 0.4
    low, high = document["intervals"]["exact_accuracy"]
    assert low <= document["exact_accuracy"] <= high
    assert all(math.isfinite(number) for number in numbers(document))
    assert "LEFT OUT 1 products of 1 categories" in result.stderr
    assert "Moon > Rocks (1)" in result.stderr


def test_people_get_a_table_and_the_report_they_asked_for(
    sample_bundle: Path, products: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    result = run("--bundle", sample_bundle, "--products", products, "--draws", 20, "--report", report)
    assert result.exit_code == 0, result.output
    assert "exact accuracy" in result.stdout
    assert "held-out.jsonl" in result.stdout
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_same_seed_gives_the_same_figures(sample_bundle: Path, products: Path) -> None:
    first, again = (
        orjson.loads(
            run("--bundle", sample_bundle, "--products", products, "--draws", 20, "--seed", 4, "--json").stdout
        )
        for _ in range(2)
    )
    first["measured"].pop("at")
    again["measured"].pop("at")
    assert first == again


def test_what_cannot_be_measured_is_an_error_with_its_exit_code(
    sample_bundle: Path, products: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    result = run("--bundle", sample_bundle, "--products", empty)
    assert result.exit_code == 1
    assert "no rows" in result.stderr
    result = run("--bundle", tmp_path, "--products", products)
    assert result.exit_code == 1
    assert "is no model bundle" in result.stderr
    result = run("--bundle", sample_bundle, "--products", tmp_path / "absent.jsonl")
    assert result.exit_code == 2
    result = run("--bundle", sample_bundle, "--products", products, "--report", tmp_path / "no" / "report.html")
    assert result.exit_code == 2
    assert "there is no directory" in result.stderr


def test_the_report_does_not_overwrite_the_products(tmp_path: Path, products: Path) -> None:
    before = products.read_bytes()
    link = tmp_path / "report.html"
    link.symlink_to(products)
    for report in (products, link):
        result = run("--bundle", tmp_path / "bundle", "--products", products, "--report", report)
        assert (result.exit_code, "is --products itself; name another" in result.stderr) == (2, True)
    assert products.read_bytes() == before


def test_figures_are_printed_even_where_the_report_cannot_be_written(
    sample_bundle: Path, products: Path, tmp_path: Path
) -> None:
    given = "--bundle", sample_bundle, "--products", products, "--draws", 20, "--json"
    result = run(*given, "--report", tmp_path / f"{'r' * 260}.html")
    assert result.exit_code == 1
    assert orjson.loads(result.stdout)["n"]
    assert "name a file that can be written" in result.stderr


def test_a_file_whose_name_is_no_utf_8_is_measured_too(
    sample_bundle: Path, products: Path, tmp_path: Path
) -> None:
    file = tmp_path / os.fsdecode(b"held\xff[red]out.jsonl")
    file.write_bytes(products.read_bytes())
    report = tmp_path / "report.html"
    result = run("--bundle", sample_bundle, "--products", file, "--draws", 20, "--report", report)
    assert result.exit_code == 0, result.output
    assert "held\ufffd[red]out.jsonl" in result.stdout
    assert "held\ufffd[red]out.jsonl" in report.read_text()
