"""Fakes for agents in tests that need neither Kafka nor a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Self

import numpy as np

from schemas.events.product import Product
from streams.agents.batch_stage import BatchStage
from streams.agents.rereading import LogPlace
from streams.model_process.calls import ModelCalls
from streams.model_process.messages import (
    LENGTH_BYTES,
    Request,
    decode_reply,
    framed_request,
)
from streams.model_process.work import ModelWork
from streams.outgoing import Outgoing
from streams.settings import Settings
from workers.recall.candidates import Candidates
from workers.statistics import NoStatistics


class Log:
    """Collects messages, and acknowledges them at once."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []

    def take(self, messages: Sequence[Outgoing]) -> None:
        """Collect these messages."""
        self.messages += messages

    async def submit(self, messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        self.take(messages)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    async def send_all(self, messages: Sequence[Outgoing]) -> None:
        await (await self.submit(messages))


class ModelInThread(ModelCalls):
    """A model in a thread; requests and replies are encoded, as for a model in a separate process."""

    def __init__(self, bundle: Any, settings: Settings) -> None:
        super().__init__()
        self.version = bundle.model_version
        self._work = ModelWork(settings, bundle, NoStatistics())
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def send(self, request: Request) -> None:
        """Let the thread answer."""
        self._thread.submit(self._answer, framed_request(request)[LENGTH_BYTES:], asyncio.get_running_loop())

    def _answer(self, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        for reply in self._work.answer(request):
            loop.call_soon_threadsafe(self.receive, decode_reply(reply[LENGTH_BYTES:]))


@dataclass(frozen=True)
class Event:
    """A Faust event."""

    partition: int
    offset: int
    value: bytes | None = None

    @property
    def message(self) -> Any:
        return SimpleNamespace(topic="t", partition=self.partition, offset=self.offset)


class Stream:
    """A Faust stream of these events; ``None`` gives the agent a turn. Records the acknowledged events.

    Acknowledging an event fails if its offset is in ``refused``.
    """

    def __init__(self, *events: Event | None, refused: Collection[int] = ()) -> None:
        self._events = events
        self._refused = refused
        self.acknowledged: list[Event] = []

    def noack(self) -> Stream:
        return self

    async def events(self) -> AsyncIterator[Event]:
        for event in self._events:
            if event is None:
                await asyncio.sleep(0)
            else:
                yield event

    async def ack(self, event: Event) -> None:
        if event.offset in self._refused:
            raise RuntimeError("not ours any more")
        self.acknowledged.append(event)


def one_candidate(products: Sequence[Product]) -> Candidates:
    """Return node 1 as the only candidate of each product."""
    return Candidates(
        signals=("one",),
        context_names=(),
        offsets=np.arange(len(products) + 1, dtype=np.int64),
        categories=np.ones(len(products), np.int32),
        scores=np.ones((len(products), 1), np.float32),
        proposed=np.ones((len(products), 1), np.bool_),
        context=np.empty((len(products), 0), np.float32),
    )


async def process(stage: BatchStage[Any], value: bytes | None, place: LogPlace) -> None:
    """Let a stage process one batch; raises the error that keeps it from completing, if that is known at once."""
    prepared = await stage.prepare(value, place)
    if prepared is not None:
        await stage.finish([prepared])
