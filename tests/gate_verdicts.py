"""Gate verdicts that tests write into bundles."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from schemas.gate import Decision, GateVerdict
from workers.bundle.files import read_manifest

REASON = "exact_accuracy fell from 0.900 to 0.800"


def verdict(directory: Path, decision: Decision) -> GateVerdict:
    """Return a verdict on the bundle in a directory."""
    return GateVerdict(
        decision=decision,
        model_version=read_manifest(directory).model_version,
        current_version=None,
        gold_sha256="0" * 64,
        products=1_000,
        leaked=3,
        level=0.05,
        decided_at=datetime.now(UTC),
        shelfwise_version="0",
        reasons=(REASON,) if decision == "rejected" else (),
    )
