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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(reason_of(error, value), f"{kind.__name__}: {error}") from None


def reason_of(error: Exception, value: bytes) -> Reason:
    """Return why a decoder refused a value; of what breaks its contract, msgspec only gives a text."""
    if not isinstance(error, msgspec.ValidationError):
        try:
            value.decode()
        except UnicodeDecodeError:
            return Reason.INVALID_UTF8
        return Reason.MALFORMED_JSON
    message = str(error)
    if message.startswith("Object missing required field"):
        return Reason.MISSING_FIELD
    if "$.title" in message and "length >= 1" in message:
        return Reason.EMPTY_TITLE
    if any(bound in message for bound in ("of length", " >= ", " <= ", "matching regex", "out of range")):
        return Reason.OUT_OF_BOUNDS
    return Reason.WRONG_TYPE
