"""Calls of a model and the futures of their replies; all of it runs in the event loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import Event, Future, get_running_loop
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from schemas.events.batch import CandidateBatch, RecalledBatch
from schemas.events.product import Product
from streams.model_process.messages import (
    Decided,
    Failed,
    RankRequest,
    Recalled,
    RecallRequest,
    Reply,
    Request,
)


class ModelFailure(Exception):
    """The model could not do what it was asked, but still runs; the message says why."""


class ModelGone(Exception):
    """The model has ended."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """The futures of a request's replies; not every request gets both."""

    recalled: Future[Recalled]
    decided: Future[Decided]


class ModelCalls(ABC):
    """A model that runs elsewhere.

    ``caught_up`` is set when the model has read what was learned, if it is to read that. The futures raise
    :class:`ModelFailure` or :class:`ModelGone`.
    """

    def __init__(self) -> None:
        self.version = ""
        self.caught_up = Event()
        self._numbers = count()
        self._calls: dict[int, ModelCall] = {}
        self._gone: ModelGone | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the model has ended and answers nothing any more."""
        return self._gone is not None

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if anything did."""
        return self._gone

    def note_caught_up(self) -> None:
        """Note that the model has read what was learned."""
        self.caught_up.set()

    def recall(self, products: Sequence[Product]) -> Future[Recalled]:
        """Find the candidates of products."""
        return self._call(lambda number: RecallRequest(number, list(products))).recalled

    def decide(self, products: Sequence[Product], batches: Sequence[RecalledBatch]) -> ModelCall:
        """Find the candidates of products, and rank the batches of these products in the same step."""
        return self._call(lambda number: RecallRequest(number, list(products), list(batches)))

    def rank(self, batches: Sequence[CandidateBatch]) -> Future[Decided]:
        """Rank batches of candidates that this model found."""
        return self._call(lambda number: RankRequest(number, list(batches))).decided

    def receive(self, reply: Reply) -> None:
        """Resolve the future that waits for a reply."""
        match reply:
            case Recalled():
                _settle(self._calls[reply.number].recalled, reply)
                if reply.candidates is not None:
                    del self._calls[reply.number]
            case Decided():
                _settle(self._calls.pop(reply.number).decided, reply)
            case Failed():
                _fail(self._calls.pop(reply.number), ModelFailure(reply.problem))

    def end(self, why: str) -> None:
        """Fail all open calls, and all later ones."""
        self._gone = ModelGone(why)
        self.caught_up.set()
        for call in self._calls.values():
            _fail(call, self._gone)
        self._calls.clear()

    @abstractmethod
    def send(self, request: Request) -> None:
        """Send a request; its replies come to :meth:`receive`."""

    def _call(self, request: Callable[[int], Request]) -> ModelCall:
        loop = get_running_loop()
        call = ModelCall(loop.create_future(), loop.create_future())
        if self._gone is not None:
            _fail(call, self._gone)
            return call
        number = next(self._numbers)
        self.send(request(number))
        self._calls[number] = call
        return call


def _settle(future: Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(call: ModelCall, error: Exception) -> None:
    for future in (call.recalled, call.decided):
        if not future.done():
            future.set_exception(error)
            # Mark it as retrieved: not every caller awaits both futures, and asyncio would complain about the
            # other.
            future.exception()
