"""What a reviewer sees of a product on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from schemas.events.decision import Alternative, Category
from streams.cli import review_session
from tests.decisions import needs_review

PATH = ("Home & Garden", "Decor", "Artwork", "ポスター、プリント、ビジュアルアート")


def test_a_long_category_is_continued_below_its_name_so_that_the_numbers_stand_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(review_session, "console", lambda **_: Console(file=shown, width=60))
    offered = Alternative(Category("1", PATH), 0.9), Alternative(Category("2", ("Lamps",)), 0.1)
    review_session._show(needs_review(title="Poster", alternatives=offered), None, "1 of 1")
    lines = [line.rstrip() for line in shown.getvalue().splitlines()]
    assert lines[-3:] == [
        "  1  0.90  Home & Garden > Decor > Artwork >",
        f"{' ' * 11}{PATH[-1]}",
        "  2  0.10  Lamps",
    ]
    assert all(cell_len(line) <= 60 for line in lines)
