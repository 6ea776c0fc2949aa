"""The gate's verdicts on a model bundle, and the record of forced loads: files in the bundle."""

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
    """One run of the gate; ``reasons`` say why the bundle was rejected.

    ``model_version`` binds the verdict to the bundle. ``current_version`` is ``None`` for a first release.
    ``gold_sha256`` is the digest of the gold file.
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
    """All verdicts on one bundle, the latest last; the latest one holds."""

    format: Literal[1] = 1
    verdicts: Annotated[tuple[GateVerdict, ...], msgspec.Meta(min_length=1)]


class ForcedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``forced.jsonl``: a bundle that the gate would not let pass was loaded, and the reason."""

    at: datetime
    model_version: str
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON)]
