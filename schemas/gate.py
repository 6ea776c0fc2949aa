"""What the gate decided of a model bundle, and who ran a rejected one all the same: files of the bundle."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

GATE: Final = "gate.json"
FORCED: Final = "forced.jsonl"
MAX_REASON: Final = 500

Decision = Literal["accepted", "rejected"]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class GateVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the gate: ``current_version`` is none for a first release, ``reasons`` are why it was rejected.

    ``model_version`` binds the verdict to the bundle; ``gold_sha256`` is of the gold file's bytes.
    """

    decision: Decision
    model_version: str
    current_version: str | None
    gold_sha256: Digest
    products: Annotated[int, msgspec.Meta(ge=0)]
    leaked: Annotated[int, msgspec.Meta(ge=0)]
    level: float
    decided_at: datetime
    shelfwise_version: str
    reasons: tuple[str, ...] = ()


class GateFile(msgspec.Struct, frozen=True, kw_only=True):
    """All verdicts on one bundle, the latest last: that one holds."""

    format: Literal[1] = 1
    verdicts: Annotated[tuple[GateVerdict, ...], msgspec.Meta(min_length=1)]


class ForcedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``forced.jsonl``: a bundle that the gate would not let pass was loaded, and why."""

    at: datetime
    model_version: str
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON)]
