"""The requests of a worker to its model process, and the replies, each preceded by its length.

Requests are JSON, which can hold everything that products do: MessagePack cannot represent times before the year 1
in UTC. Replies are MessagePack, because most of them is bytes.
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

    ``batches`` are the batches of these products. If there are any, they are ranked in the same step, and the
    candidates stay in the model process.
    """

    number: int
    products: list[Product]
    batches: list[RecalledBatch] = []


class RankRequest(msgspec.Struct, frozen=True, tag="rank"):
    """Rank candidates that came from another process."""

    number: int
    batches: list[CandidateBatch]


class Recalled(msgspec.Struct, frozen=True, tag="recalled"):
    """The result of recall.

    ``named`` is the number of candidates that each signal named, and ``sizes`` the number that each product has.
    ``candidates`` holds them if they are to leave the process.
    """

    number: int
    named: dict[str, int]
    sizes: list[int]
    candidates: PackedCandidates | None = None


class Ranked(msgspec.Struct, frozen=True, tag="ranked"):
    """What to send for a decided batch.

    ``messages`` are sent at once, ``outcomes`` when the broker has the messages. ``timestamps_ms`` are the Kafka
    timestamps of the decided events.
    """

    messages: list[Outgoing]
    outcomes: list[EventOutcome]
    timestamps_ms: list[int]


class Undecided(msgspec.Struct, frozen=True, tag="undecided"):
    """What is wrong with a batch of candidates that could not be ranked."""

    problem: str


class Decided(msgspec.Struct, frozen=True, tag="decided"):
    """The result of each batch of a request, and the ``seconds`` that ranking took."""

    number: int
    batches: list[Ranked | Undecided]
    seconds: float


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Why a request failed; it gets no further reply."""

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
    """Return the number of a request, even if the rest of it cannot be read."""
    return _decode_number(request).number


def framed_request(request: Request) -> bytes:
    """Return a request as bytes, preceded by its length."""
    return _framed(msgspec.json.encode(request))


def framed_reply(reply: Reply) -> bytes:
    """Return a reply as bytes, preceded by its length."""
    return _framed(msgspec.msgpack.encode(reply))


def _framed(value: bytes) -> bytes:
    return len(value).to_bytes(LENGTH_BYTES, "big") + value
