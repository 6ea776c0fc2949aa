"""The file that records the progress of a replay, so that it can continue after an interruption."""

from __future__ import annotations

from pathlib import Path

import msgspec

from schemas.errors import InvalidFile
from streams.replay.span import Span
from workers.whole_file import whole_file


class Remaining(msgspec.Struct, frozen=True):
    """What is left of one partition: the offsets from ``next_offset`` to ``last`` (exclusive)."""

    partition: int
    next_offset: int
    last: int


class ReplayProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a replay of one topic; ``begin`` and ``end`` are its bounds as the user gave them."""

    topic: str
    begin: str
    end: str | None
    partitions: list[Remaining]

    @property
    def spans(self) -> list[Span]:
        """The spans that are left."""
        left = [item for item in self.partitions if item.next_offset < item.last]
        return [Span(item.partition, item.next_offset, item.last) for item in left]


def load_progress(path: Path) -> ReplayProgress | None:
    """Return the progress in the file, or ``None`` if there is no file; raises :class:`InvalidFile`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReplayProgress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidFile(f"{path} does not say how far a replay is: {error}; name another file") from None


def save_progress(path: Path, progress: ReplayProgress) -> None:
    """Write the file completely or not at all; raises :class:`InvalidFile`."""
    with whole_file(path) as file:
        file.write(msgspec.json.encode(progress))
