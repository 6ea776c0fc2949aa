"""What was decided of a product last: a digest of its content and the position of the event."""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

import msgspec

from schemas.events.product import Product

_DIGEST_BYTES: Final = 16
_OFFSET: Final = Struct("<q")
_encoder: Final = msgspec.json.Encoder(order="deterministic")


class Standing(Enum):
    """How an event stands to what was decided last of its product."""

    NEW = "new"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"


class Decided(NamedTuple):
    """The latest event of a product that went on to a decision; ``digest`` is empty for a removal.

    A removal is remembered, not forgotten: an older event of the product that is sent again would bring it back.
    """

    offset: int
    digest: bytes

    def to_bytes(self) -> bytes:
        """Return 8 bytes of offset, little-endian, and the digest."""
        return _OFFSET.pack(self.offset) + self.digest

    @classmethod
    def from_bytes(cls, value: bytes) -> Decided:
        """Read :meth:`to_bytes`; raises :class:`ValueError` for any other length."""
        if len(value) not in (_OFFSET.size, _OFFSET.size + _DIGEST_BYTES):
            raise ValueError(f"a digest entry has 8 or 24 bytes, not {len(value)}")
        return cls(_OFFSET.unpack_from(value)[0], value[_OFFSET.size :])


def content_digest(product: Product, model_version: str) -> bytes:
    """Return 16 bytes (BLAKE2b, RFC 7693) over all that a decision rests on: ``updated_at`` is left out."""
    content = msgspec.structs.replace(product, updated_at=None)
    digest = blake2b(model_version.encode() + b"\0", digest_size=_DIGEST_BYTES)
    digest.update(_encoder.encode(content))
    return digest.digest()


def standing(decided: Decided | None, offset: int, digest: bytes) -> Standing:
    """Return how the event at ``offset`` stands to the one that was decided last.

    The same event is new again: its decision may never have left. A later one with the same content changes
    nothing: the earlier is either completed, or will be sent again and decided. An earlier one comes too late.
    """
    if decided is None or offset == decided.offset:
        return Standing.NEW
    if offset < decided.offset:
        return Standing.SUPERSEDED
    return Standing.UNCHANGED if digest and digest == decided.digest else Standing.NEW
