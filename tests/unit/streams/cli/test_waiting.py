"""A command that sends is interrupted by SIGTERM as by Ctrl-C, wherever in it the signal comes."""

from __future__ import annotations

import signal

import pytest

from streams.cli.waiting import until_interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_and_the_handler_before_is_put_back(number: signal.Signals) -> None:
    before = signal.signal(number, signal.default_int_handler)
    try:
        with until_interrupted() as interrupted:
            signal.raise_signal(number)
        assert interrupted.is_set()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def interrupted_in_a_callback() -> None:
    """What the binding may make of an exception within a delivery callback."""
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        raise SystemError("poll returned NULL without setting an exception") from None


def test_an_interrupt_that_the_binding_lost_in_a_callback_is_one_all_the_same() -> None:
    with until_interrupted() as interrupted:
        interrupted_in_a_callback()
    assert interrupted.is_set()


def test_an_error_of_the_binding_without_a_signal_stays_one() -> None:
    with pytest.raises(SystemError), until_interrupted():
        raise SystemError


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with until_interrupted() as interrupted:
            signal.raise_signal(signal.SIGTERM)
        assert not interrupted.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
