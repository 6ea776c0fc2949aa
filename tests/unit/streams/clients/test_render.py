"""What people read of a decision tells them why it is theirs to make."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events.dead_letter import ATTEMPT_HEADER, DeadLetter
from schemas.events.decision import Alternative, Category, Evidence, NeedsReview, ReviewReason
from schemas.topics import PRODUCTS_DEAD_LETTER
from streams.clients.render import decision_text, received_text
from streams.clients.subscriber import Received, content_of
from tests.decisions import assigned, needs_review
from workers.printable import plain

LETTER = DeadLetter(
    reason="\x1b[2J",
    detail="no \x1b[31m title",
    stage="\x1b",
    attempt=1,
    source_topic="pro\x1b[2Jducts",
    source_partition=0,
    source_offset=1,
)


@pytest.mark.parametrize(
    ("title", "shown"), [("Lamp", "  p Lamp  -> "), (None, "  p  -> "), ("x" * 60, f"  p {'x' * 47}…  -> ")]
)
def test_a_decision_shows_id_and_title_and_that_a_person_decided(title: str | None, shown: str) -> None:
    text = decision_text(assigned(title=title, review_id="r"), with_id=True).plain
    assert shown in text
    assert "by a person's verdict" in text


@pytest.mark.parametrize(("reason", "told"), [("low_confidence", False), ("new_store", True)])
def test_a_request_for_review_says_where_it_is_for_the_store_alone(reason: ReviewReason, told: bool) -> None:
    likeliest = Alternative(Category("1", ("Home", "Lamps")), 0.98)
    text = decision_text(needs_review(alternatives=(likeliest,), reason=reason)).plain
    assert text.startswith("needs review")
    assert ("store is new" in text) is told


FORGED = needs_review(
    product_id="\x1b[2J",
    alternatives=(Alternative(Category("1", ("\x1b[2J\u202eHome",)), 0.98),),
    evidence=(Evidence(signal="\x1b]0;evil\x07", contribution=1.0),),
)


@pytest.mark.parametrize("content", [LETTER, FORGED, None, "unreadable \x1b]0;evil\x07"])
def test_nothing_that_a_feed_or_a_header_says_steers_the_terminal(
    content: DeadLetter | NeedsReview | str | None,
) -> None:
    received = Received("t", 0, 1, 0, b"\x1b]0;evil\x07", None, [], content)
    assert all(each.isprintable() for each in received_text(received).plain)


def test_spaces_of_other_scripts_are_shown_as_they_are() -> None:
    assert plain("\u30c6\u30fc\u30d6\u30eb\u3000\u767d \u00a0") == "\u30c6\u30fc\u30d6\u30eb\u3000\u767d \u00a0"


def test_words_of_persian_and_hindi_are_shown_whole_and_what_turns_the_line_is_not() -> None:
    for word in ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937"):
        assert plain(word) == word
    assert plain("lamp \u202epmal \u2066") == "lamp \ufffdpmal \ufffd"


def test_a_header_without_a_value_makes_a_message_unreadable_and_ends_nothing() -> None:
    nothing: Any = None
    found = content_of(PRODUCTS_DEAD_LETTER, b"{}", [(ATTEMPT_HEADER, nothing)])
    assert isinstance(found, str)
    assert found.startswith("not written by shelfwise")
