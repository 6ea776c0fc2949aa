"""Dead letters for what people send: a verdict that cannot be used is kept, with its bytes and the reason."""

from __future__ import annotations

from schemas.errors import InvalidEvent
from schemas.events.dead_letter import DeadLetter
from schemas.events.learning import VerdictMessage
from schemas.events.position import SourcePosition
from schemas.topics import PRODUCTS_DEAD_LETTER
from streams.agents.context import Context
from streams.outgoing import Outgoing


async def bury(
    context: Context, stage: str, source: SourcePosition, message: VerdictMessage, error: InvalidEvent
) -> None:
    """Send a message that was read at ``source`` to the dead letters, and return when the broker has it."""
    original = list(message.headers)
    letter = DeadLetter.of(source, original, error.reason, error.detail, stage)
    topic = context.settings.topic(PRODUCTS_DEAD_LETTER)
    outgoing = Outgoing(topic, message.key, message.value, letter.to_headers(original), source.partition)
    await context.sink.send_all([outgoing])
    context.metrics.dead_letter(error.reason, stage)
