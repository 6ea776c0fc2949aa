"""Who waits for the model hears of an answer, of a failure, and of its end."""

from __future__ import annotations

import pytest

from schemas.events.product import Product
from streams.model_process.calls import ModelCalls, ModelFailure, ModelGone
from streams.model_process.messages import Decided, Failed, Ranked, Recalled, Request

_LAMP = Product(product_id="p", title="a lamp")


class _Calls(ModelCalls):
    """Keeps what is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Request] = []

    def send(self, request: Request) -> None:
        self.sent.append(request)


@pytest.fixture
def calls() -> _Calls:
    return _Calls()


async def test_each_hears_of_its_own_answer(calls: _Calls) -> None:
    first, second = calls.decide([_LAMP], []), calls.decide([], [])
    numbers = [request.number for request in calls.sent]
    for number in numbers:
        calls.receive(Recalled(number, {"title": number}, [1]))
        calls.receive(Decided(number, [Ranked([], [], [number])], 0.1))
    assert [(await call.recalled).number for call in (first, second)] == numbers
    assert [(await call.decided).number for call in (first, second)] == numbers


async def test_a_request_that_fails_costs_no_other_its_answer(calls: _Calls) -> None:
    failing, other = calls.decide([_LAMP], []), calls.decide([], [])
    calls.receive(Failed(calls.sent[0].number, "ValueError: no such luck"))
    calls.receive(Recalled(calls.sent[1].number, {}, []))
    with pytest.raises(ModelFailure, match="no such luck"):
        await failing.recalled
    with pytest.raises(ModelFailure, match="no such luck"):
        await failing.decided
    assert (await other.recalled).sizes == []


async def test_when_the_model_is_gone_all_that_is_awaited_fails_and_all_that_is_asked(calls: _Calls) -> None:
    waiting = calls.recall([_LAMP])
    calls.end("it was killed")
    for awaited in (waiting, calls.recall([_LAMP]), calls.rank([])):
        with pytest.raises(ModelGone, match="it was killed"):
            await awaited
    assert len(calls.sent) == 1


async def test_who_waits_no_more_keeps_no_answer_from_others(calls: _Calls) -> None:
    calls.recall([_LAMP]).cancel()
    other = calls.recall([_LAMP])
    for request in calls.sent:
        calls.receive(Recalled(request.number, {}, [request.number]))
    assert (await other).sizes == [calls.sent[1].number]
