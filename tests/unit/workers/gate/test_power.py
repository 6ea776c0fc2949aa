"""The page on the gate says what it can find, as it is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.gate.power import detectable_fall, detectable_loss, tables

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "gate.md").read_text()


@pytest.mark.parametrize("table", tables().split("\n\n"), ids=["metrics", "categories"])
def test_the_tables_on_the_page_are_those_that_are_computed(table: str) -> None:
    assert table.strip() in PAGE


def test_more_products_find_smaller_falls_and_too_few_find_none() -> None:
    falls = [detectable_fall(count, 0.1) for count in (500, 1_000, 10_000)]
    assert falls == sorted(falls, reverse=True)
    assert detectable_fall(100, 0.02) == float("inf")
    assert detectable_loss(5, 100) == float("inf")
