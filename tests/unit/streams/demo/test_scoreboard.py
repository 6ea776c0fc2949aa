from __future__ import annotations

import math
from typing import Any

import pytest
from rich.console import Console

from schemas.events.batch import Outcome
from schemas.events.dead_letter import DeadLetter
from schemas.events.decision import Category
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from schemas.taxonomy import Taxonomy
from streams.clients.subscriber import Received
from streams.demo.scoreboard import Scoreboard
from streams.demo.summary import summary_table
from streams.demo.view import View, plain_line
from tests.decisions import assigned, needs_review
from workers.product_files import LabelledProduct

TREE = Taxonomy.from_paths("t", "1", ["Home > Cups", "Home > Lamps", "Garden > Spades"])


def labelled(product_id: str, path: str | None) -> LabelledProduct:
    names = tuple(path.split(" > ")) if path else None
    return LabelledProduct(Product(product_id=product_id, title=f"Title of {product_id}"), names, None, 1)


@pytest.fixture
def board() -> Scoreboard:
    products = [labelled("a", "Home > Cups"), labelled("b", "Home > Lamps"), labelled("c", None)]
    return Scoreboard({item.product.product_id: item for item in products}, TREE)


def received(content: Any, timestamp_ms: int = 0) -> Received:
    return Received("topic", 0, 0, timestamp_ms, b"key", None, [], content)


def decision(product_id: str, path: str | None, offset: int, *, backed_off: bool = False) -> Any:
    shared: dict[str, Any] = {
        "decision_id": str(offset),
        "product_id": product_id,
        "title": f"Title of {product_id}",
        "source": SourcePosition("products.changed.v1", 0, offset),
    }
    if path is None:
        return needs_review(**shared)
    category = Category(TREE.ids[TREE.index_of_path(path)], tuple(path.split(" > ")))
    return assigned(category=category, backed_off=backed_off, **shared)


def letter(offset: int) -> DeadLetter:
    return DeadLetter(
        reason="empty_title",
        detail="",
        stage="intake",
        attempt=1,
        source_topic="products.changed.v1",
        source_partition=0,
        source_offset=offset,
    )


def test_assignments_are_right_at_the_label_and_backed_off_ones_on_the_way_to_it(board: Scoreboard) -> None:
    board.add(
        [
            received(decision("a", "Home > Cups", 1)),
            received(decision("b", "Home > Cups", 2)),
            received(decision("a", "Home", 3, backed_off=True)),
            received(decision("b", "Garden", 4, backed_off=True)),
        ],
        now=0,
    )
    assert board.accuracy(Outcome.ASSIGNED) == 0.5
    assert board.accuracy(Outcome.BACKED_OFF) == 0.5
    assert [item.right for item in board.recent] == [True, False, True, False]


def test_what_has_no_label_is_not_judged(board: Scoreboard) -> None:
    board.add([received(decision("c", "Home > Cups", 1)), received(decision("a", None, 2))], now=0)
    assert math.isnan(board.accuracy(Outcome.ASSIGNED))
    assert board.share(Outcome.NEEDS_REVIEW) == 0.5


def test_an_outcome_that_is_delivered_again_counts_once(board: Scoreboard) -> None:
    board.add([received(decision("a", "Home > Cups", 1)), received(letter(2))], now=0)
    board.add([received(decision("a", "Home > Cups", 1)), received(letter(2))], now=1)
    assert (board.settled, board.decisions) == (2, 1)


def test_decisions_on_other_peoples_products_are_left_out(board: Scoreboard) -> None:
    board.add([received(decision("somebody's", "Home > Cups", 1))], now=0)
    assert board.settled == 0


def test_latency_is_from_publication_to_decision(board: Scoreboard) -> None:
    board.published_ms.update(a=1_000, b=1_000)
    board.add(
        [
            received(decision("a", "Home > Cups", 1), 1_010),
            received(decision("b", "Home > Cups", 2), 1_030),
        ],
        now=0,
    )
    assert board.latency_ms(0.5) == 20


def test_the_rate_forgets_what_is_over(board: Scoreboard) -> None:
    board.add([received(decision("a", "Home > Cups", 1))] * 1, now=0)
    assert board.rate > 0
    board.add([], now=100)
    assert board.rate == 0


def test_figures_are_shown_before_there_are_any_and_after(board: Scoreboard) -> None:
    assert "p50 -" in plain_line(board, 0, 0)
    board.add([received(decision("a", "Home > Cups", 1)), received(letter(2))], now=0)
    console = Console(record=True, width=160, force_terminal=False)
    with View(board, console, "") as view:
        view.show(2, "feeding")
    console.print(summary_table(board, 3))
    shown = console.export_text()
    assert "2 in, 2 out" in shown
    assert "Title of a  ->  Home > Cups" in shown
    assert "100.0%" in shown


def test_the_live_view_fits_the_terminal(board: Scoreboard) -> None:
    board.add([received(decision("a", "Home > Cups", number)) for number in range(200)], now=0)
    console = Console(width=100, height=24, force_terminal=True, record=True)
    view = View(board, console, "metrics")
    lines = console.render_lines(view._screen(200, "feeding"))
    assert len(lines) <= 24
