"""Chunks of products: small enough to pass between processes, large enough that passing them costs little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from schemas.errors import InvalidProducts
from schemas.events.product import Product
from workers.product_files import ProductFile

# A few megabytes at most, and about a second of work.
CHUNK_PRODUCTS: Final = 1_024
# Not MessagePack: it stores times in UTC, and times at the ends of the calendar do not exist in UTC.
_encoder: Final = msgspec.json.Encoder()


class Numbered(msgspec.Struct, frozen=True, array_like=True):
    """A product and its line in the file."""

    line: int
    product: Product


_decoder: Final = msgspec.json.Decoder(list[Numbered])


class Chunk(NamedTuple):
    """Products in the order of their file.

    ``products`` is a JSON array of :class:`Numbered`. ``bytes_read`` says how much of the file had been read.
    """

    products: bytes
    bytes_read: int

    @classmethod
    def of(cls, products: Sequence[Numbered], bytes_read: int) -> Chunk:
        """Pack the products."""
        return cls(_encoder.encode(products), bytes_read)

    def unpack(self) -> list[Numbered]:
        """Return the products."""
        return _decoder.decode(self.products)


class DecidedChunk(NamedTuple):
    """The decisions on a chunk in the output format, and the number of decisions for each outcome."""

    payload: bytes
    outcomes: Counter[str]
    bytes_read: int


def chunks_of(source: ProductFile, after_line: int, size: int = CHUNK_PRODUCTS) -> Iterator[Chunk]:
    """Yield the products after a line, in chunks; if the file has an error, everything before it is yielded first.

    Raises :class:`schemas.errors.InvalidProducts` as the file does.
    """
    waiting: list[Numbered] = []
    problem: InvalidProducts | None = None
    try:
        for item in source:
            if item.line > after_line:
                waiting.append(Numbered(item.line, item.product))
            if len(waiting) == size:
                yield Chunk.of(waiting, source.bytes_read)
                waiting = []
    except InvalidProducts as error:
        problem = error
    if waiting:
        yield Chunk.of(waiting, source.total_bytes)
    if problem is not None:
        raise problem
