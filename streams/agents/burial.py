"""Dead letters of what people send us: a verdict that cannot be used is kept, with its bytes and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.errors import InvalidEvent
from schemas.events.dead_letter import MAX_DETAIL_CHARACTERS, DeadLetter, Headers, attempt_of
from schemas.topics import PRODUCTS_DEAD_LETTER
from streams.agents.context import Context
from streams.outgoing import Outgoing


async def bury(context: Context, stage: str, message: Any, error: InvalidEvent) -> None:
    """Send a Faust message to the dead letters, and return when the broker has it."""
    original = headers_of(message)
    letter = DeadLetter(
        reason=error.reason,
        detail=error.detail[:MAX_DETAIL_CHARACTERS],
        stage=stage,
        attempt=attempt_of(original),
        source_topic=message.topic,
        source_partition=message.partition,
        source_offset=message.offset,
    )
    topic = context.settings.topic(PRODUCTS_DEAD_LETTER)
    outgoing = Outgoing(topic, message.key, message.value, letter.to_headers(original), message.partition)
    await context.sink.send_all([outgoing])
    context.metrics.dead_letter(error.reason, stage)


def headers_of(message: Any) -> Headers:
    """Return a Faust message's headers as a list: it passes on what aiokafka read, or what a client made of it."""
    headers = message.headers
    items = headers.items() if isinstance(headers, Mapping) else headers or ()
    return [(str(name), bytes(value)) for name, value in items]
