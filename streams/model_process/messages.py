"""What a worker asks the process of its model, and what that answers, each with its length before it.

Questions are JSON, which holds all that products do: MessagePack knows no time that is before the year 1 in UTC.
Answers are MessagePack, as most of them is bytes.
"""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.events.batch import CandidateBatch, EventOutcome, PackedCandidates, RecalledBatch
from schemas.events.product import Product
from streams.outgoing import Outgoing

LENGTH_BYTES: Final = 4


class RecallRequest(msgspec.Struct, frozen=True, tag="recall"):
    """Find the candidates of products.

    ``batches`` are what they are of; where there are any, they are ranked at once, and the candidates stay there.
    """

    number: int
    products: list[Product]
    batches: list[RecalledBatch] = []


class RankRequest(msgspec.Struct, frozen=True, tag="rank"):
    """Rank candidates that came from elsewhere."""

    number: int
    batches: list[CandidateBatch]


class Recalled(msgspec.Struct, frozen=True, tag="recalled"):
    """How many candidates each signal ``named`` and how many each product has; ``candidates`` where they leave."""

    number: int
    named: dict[str, int]
    sizes: list[int]
    candidates: PackedCandidates | None = None


class Ranked(msgspec.Struct, frozen=True, tag="ranked"):
    """What leaves of a batch that is decided: ``messages`` at once, ``outcomes`` when the broker has these."""

    messages: list[Outgoing]
    outcomes: list[EventOutcome]
    timestamps_ms: list[int]


class Undecided(msgspec.Struct, frozen=True, tag="undecided"):
    """What is wrong with a batch of candidates."""

    problem: str


class Decided(msgspec.Struct, frozen=True, tag="decided"):
    """What comes of each batch of a request, and the ``seconds`` that ranking took."""

    number: int
    batches: list[Ranked | Undecided]
    seconds: float


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Why a request brought nothing, or nothing more."""

    number: int
    problem: str


class _Numbered(msgspec.Struct, frozen=True):
    number: int


Request = RecallRequest | RankRequest
Reply = Recalled | Decided | Failed
decode_request: Final = msgspec.json.Decoder(Request).decode
_decode_number: Final = msgspec.json.Decoder(_Numbered).decode
decode_reply: Final = msgspec.msgpack.Decoder(Reply).decode


def number_of(request: bytes) -> int:
    """Return the number of a request, whatever else of it cannot be read."""
    return _decode_number(request).number


def framed_request(request: Request) -> bytes:
    """Return a request as bytes that tell where it ends."""
    return _framed(msgspec.json.encode(request))


def framed_reply(reply: Reply) -> bytes:
    """Return a reply as bytes that tell where it ends."""
    return _framed(msgspec.msgpack.encode(reply))


def _framed(value: bytes) -> bytes:
    return len(value).to_bytes(LENGTH_BYTES, "big") + value
