"""Pieces of the work, small enough to travel between processes, large enough that the travel costs little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from schemas.errors import InvalidProducts
from schemas.events.product import Product
from workers.product_files import ProductFile

# Some megabytes at most, and a second of work.
CHUNK_PRODUCTS: Final = 1_024
# MessagePack has times in UTC, in which those at the ends of the calendar do not exist.
_encoder: Final = msgspec.json.Encoder()


class Numbered(msgspec.Struct, frozen=True, array_like=True):
    """A product and its line in the file."""

    line: int
    product: Product


_decoder: Final = msgspec.json.Decoder(list[Numbered])


class Chunk(NamedTuple):
    """Products in the order of their file: ``products`` is a JSON array of :class:`Numbered`.

    ``bytes_read`` says how far the file had been read.
    """

    products: bytes
    bytes_read: int

    @classmethod
    def of(cls, products: Sequence[Numbered], bytes_read: int) -> Chunk:
        """Pack products."""
        return cls(_encoder.encode(products), bytes_read)

    def unpack(self) -> list[Numbered]:
        """Return the products."""
        return _decoder.decode(self.products)


class DecidedChunk(NamedTuple):
    """The decisions of a chunk in the form of the output, and how many there are of each outcome."""

    payload: bytes
    outcomes: Counter[str]
    bytes_read: int


def chunks_of(source: ProductFile, after_line: int, size: int = CHUNK_PRODUCTS) -> Iterator[Chunk]:
    """Yield the products beyond a line; an error of the file is raised after all before it was yielded.

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
