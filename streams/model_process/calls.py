"""The calls of a model, and what is awaited of them; all of it in the event loop."""

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
    """The model could not do what it was asked, and lives; says why."""


class ModelGone(Exception):
    """There is no model any more."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What is awaited of a request; not all requests bring both."""

    recalled: Future[Recalled]
    decided: Future[Decided]


class ModelCalls(ABC):
    """A model that is elsewhere; ``caught_up`` is set when it has read what was learned, where it is to.

    What is awaited raises :class:`ModelFailure` or :class:`ModelGone`.
    """

    def __init__(self) -> None:
        self.version = ""
        self.caught_up = Event()
        self._numbers = count()
        self._calls: dict[int, ModelCall] = {}
        self._gone: ModelGone | None = None

    @property
    def is_gone(self) -> bool:
        """Whether nothing is answered any more."""
        return self._gone is not None

    @property
    def failure(self) -> BaseException | None:
        """What ended it."""
        return self._gone

    def has_caught_up(self) -> None:
        """Note that all that was learned has been read."""
        self.caught_up.set()

    def recall(self, products: Sequence[Product]) -> Future[Recalled]:
        """Find the candidates of products."""
        return self._call(lambda number: RecallRequest(number, list(products))).recalled

    def decide(self, products: Sequence[Product], batches: Sequence[RecalledBatch]) -> ModelCall:
        """Find the candidates of products, and rank at once the batches that they are of."""
        return self._call(lambda number: RecallRequest(number, list(products), list(batches)))

    def rank(self, batches: Sequence[CandidateBatch]) -> Future[Decided]:
        """Rank batches of candidates that this model found."""
        return self._call(lambda number: RankRequest(number, list(batches))).decided

    def receive(self, reply: Reply) -> None:
        """Let go on who waits for a reply."""
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
        """Let fail what is awaited, and what is asked from now on."""
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
            # Not all who ask await both: asyncio would complain that nobody did.
            future.exception()
