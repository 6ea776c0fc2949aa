"""What agents are given in tests that need no Kafka and no model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from schemas.events.product import Product
from streams.outgoing import Outgoing
from workers.candidates import Candidates


class Log:
    """Takes messages; they are acknowledged at once."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []

    async def submit(self, messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        self.messages += messages
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    async def send_all(self, messages: Sequence[Outgoing]) -> None:
        await (await self.submit(messages))


def one_candidate(products: Sequence[Product]) -> Candidates:
    """Return node 1 as the only candidate of each product."""
    return Candidates(
        signals=("one",),
        context_names=(),
        offsets=np.arange(len(products) + 1, dtype=np.int64),
        categories=np.ones(len(products), np.int32),
        scores=np.ones((len(products), 1), np.float32),
        named=np.ones((len(products), 1), np.bool_),
        context=np.empty((len(products), 0), np.float32),
    )
