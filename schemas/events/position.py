"""The position of an event in Kafka, and the deterministic ids derived from it."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

_NAMESPACE: Final[UUID] = uuid5(NAMESPACE_URL, "urn:shelfwise:decision")


class SourcePosition(msgspec.Struct, frozen=True, order=True):
    """Topic, partition and offset of the event that a message was made from."""

    topic: str
    partition: Annotated[int, msgspec.Meta(ge=0)]
    offset: Annotated[int, msgspec.Meta(ge=0)]


def decision_id(source: SourcePosition, kind: str) -> str:
    """Return the id of a decision: a UUIDv5 (RFC 9562) of the source position and the kind.

    An event that is decided twice gets the same id, whatever the result, so consumers can drop repeats.
    """
    return str(uuid5(_NAMESPACE, f"{source.topic}/{source.partition}/{source.offset}/{kind}"))
