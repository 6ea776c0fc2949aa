from __future__ import annotations

from streams.agents.rereading import LogPlace, Rereading


def possible(rereading: Rereading, *offsets: int) -> list[bool]:
    return [rereading.possible(LogPlace("t", 0, offset)) for offset in offsets]


def test_what_lay_in_the_log_when_it_was_assigned_may_have_been_read_before() -> None:
    rereading = Rereading()
    rereading.begin({0: 7, 1: 100})
    assert possible(rereading, 5, 6, 7, 8) == [True, True, False, False]


def test_while_no_end_is_known_everything_may_have_been_read_before() -> None:
    rereading = Rereading()
    assert possible(rereading, 0, 99) == [True, True]
    rereading.begin({0: 7})
    rereading.begin({1: 100})
    assert possible(rereading, 8) == [True]
