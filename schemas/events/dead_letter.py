"""Dead letters: an event's original key, value and headers, plus headers that say why it failed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from schemas.events.position import SourcePosition

Headers = list[tuple[str, bytes]]

PREFIX: Final = "shelfwise-dead-letter-"
MAX_DETAIL_CHARACTERS: Final = 1_000
ATTEMPT_HEADER: Final = f"{PREFIX}attempt"
"""On a dead letter and on an event that was sent again: how often it has been tried, including this time."""

_MAX_ATTEMPT_DIGITS: Final = 6


class Reason(StrEnum):
    """Why an event became a dead letter; also the label of the metric."""

    MALFORMED_JSON = "malformed_json"
    INVALID_UTF8 = "invalid_utf8"
    TOO_LARGE = "too_large"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_BOUNDS = "out_of_bounds"
    EMPTY_TITLE = "empty_title"
    KEY_MISMATCH = "key_mismatch"
    MISSING_KEY = "missing_key"
    WRONG_PARTITION = "wrong_partition"
    PROCESSING_FAILED = "processing_failed"
    GAVE_UP = "gave_up"
    UNKNOWN_CATEGORY = "unknown_category"
    UNKNOWN_PRODUCT = "unknown_product"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the dead-letter headers. The message's key, value and other headers are the original's.

    ``source_topic`` is in the header ``shelfwise-dead-letter-source-topic``, and so on; all are UTF-8 text.
    """

    reason: str
    detail: Annotated[str, msgspec.Meta(max_length=MAX_DETAIL_CHARACTERS)]
    stage: str
    attempt: int
    source_topic: str
    source_partition: int
    source_offset: int

    @classmethod
    def of(cls, source: SourcePosition, original: Headers, reason: Reason, detail: str, stage: str) -> DeadLetter:
        """Make the dead letter of an event that came from ``source`` with these headers."""
        return cls(
            reason=reason,
            detail=detail,
            stage=stage,
            attempt=attempt_of(original),
            source_topic=source.topic,
            source_partition=source.partition,
            source_offset=source.offset,
        )

    def to_headers(self, original: Headers) -> Headers:
        """Return the original headers followed by ours, which replace those of an earlier dead letter.

        A detail that is too long is cut.
        """
        kept = original_headers(original)
        fields = msgspec.structs.asdict(self)
        fields["detail"] = self.detail[:MAX_DETAIL_CHARACTERS]
        return kept + [(PREFIX + name.replace("_", "-"), str(value).encode()) for name, value in fields.items()]

    @classmethod
    def from_headers(cls, headers: Headers) -> DeadLetter:
        """Read the dead-letter headers back; raises :class:`msgspec.ValidationError` if one is missing."""
        fields = {
            # Anyone who writes to the topic may send a header without a value, which librdkafka gives as ``None``.
            name.removeprefix(PREFIX).replace("-", "_"): (value or b"").decode(errors="replace")
            for name, value in headers
            if name.startswith(PREFIX)
        }
        return msgspec.convert(fields, cls, strict=False)


def original_headers(headers: Headers) -> Headers:
    """Return the headers that the original event had."""
    return [(name, value) for name, value in headers if not name.startswith(PREFIX)]


def attempt_of(headers: Headers) -> int:
    """Return how often an event has been tried, including this time; if it was sent again, a header says so."""
    value = next((value for name, value in headers if name == ATTEMPT_HEADER), None)
    if value is None or not value.isdigit() or len(value) > _MAX_ATTEMPT_DIGITS:
        return 1
    return max(1, int(value))
