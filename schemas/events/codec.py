"""Encode and decode the events that we write ourselves; ``product.decode_product`` decodes those of feeds."""

from __future__ import annotations

from typing import TypeVar, cast

import msgspec

from schemas.errors import InvalidEvent
from schemas.events.dead_letter import Reason

Event = TypeVar("Event", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()
_decoders: dict[type[msgspec.Struct], msgspec.json.Decoder[msgspec.Struct]] = {}


def encode(event: msgspec.Struct) -> bytes:
    """Return the event as JSON; fields are in the order of the contract, so equal events give equal bytes."""
    return _encoder.encode(event)


def decode(value: bytes | None, kind: type[Event]) -> Event:
    """Decode an event of the given kind; raises :class:`InvalidEvent`."""
    if value is None:
        raise InvalidEvent(Reason.WRONG_TYPE, f"a null value is no {kind.__name__}")
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return cast("Event", decoder.decode(value))
    except msgspec.ValidationError as error:
        raise InvalidEvent(Reason.WRONG_TYPE, f"{kind.__name__}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(Reason.MALFORMED_JSON, f"{kind.__name__}: {error}") from None
