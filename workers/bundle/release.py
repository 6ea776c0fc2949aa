"""Whether a bundle may be used: the gate's verdict on it, and the record of forced loads."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from schemas.bundle import MANIFEST, Manifest
from schemas.errors import InvalidBundle, RejectedBundle
from schemas.gate import FORCED, GATE, MAX_REASON, ForcedLoad, GateFile, GateVerdict
from workers.bundle import files

MAX_VERDICTS: Final = 100
_GATE_AGAIN: Final = "copy the whole bundle again, or run `shelfwise gate` on it again"
_log = logging.getLogger(__name__)

Release = Literal["accepted", "not_gated", "rejected", "forced"]


@dataclass(frozen=True, slots=True)
class Admission:
    """Which bundles may be loaded.

    Attributes:
        force: a person's reason to load a bundle that the gate would not let pass; it is recorded.
        require_gate: refuse a bundle that was never gated.
        evaluation: load the bundle whatever its verdict; for commands that measure it, not for decisions.
    """

    force: str = ""
    require_gate: bool = False
    evaluation: bool = False


EVALUATION: Final = Admission(evaluation=True)


def read_verdict(directory: Path, manifest: Manifest) -> GateVerdict | None:
    """Return the latest verdict, or ``None`` if the bundle was never gated.

    Raises :class:`InvalidBundle` if the verdict is missing, was altered, or is about another bundle.
    """
    verdicts = _read(directory, manifest)
    return verdicts[-1] if verdicts else None


def write_verdict(directory: Path, verdict: GateVerdict) -> None:
    """Add a verdict to the bundle and bind it to the manifest; the latest one holds, and up to 100 are kept.

    A crash between writing the two files leaves a bundle that is refused until it is gated again. Raises
    :class:`InvalidBundle` if the directory cannot be written, or the verdict is about another bundle.
    """
    manifest = files.read_manifest(directory)
    if verdict.model_version != manifest.model_version:
        raise InvalidBundle(
            f"bundle {directory} is model {manifest.model_version}, the verdict is on {verdict.model_version}:"
            " the bundle was replaced meanwhile; run `shelfwise gate` again"
        )
    try:
        earlier = _read(directory, manifest)
    except InvalidBundle as error:
        _log.warning("%s; earlier verdicts are lost", error)
        earlier = ()
    kept = GateFile(verdicts=(*earlier, verdict)[-MAX_VERDICTS:])
    data = msgspec.json.format(msgspec.json.encode(kept), indent=2)
    try:
        _replace(directory / GATE, data)
        bound = msgspec.structs.replace(manifest, gate=files.describe(directory / GATE))
        _replace(directory / MANIFEST, msgspec.json.format(msgspec.json.encode(bound), indent=2))
    except OSError as error:
        raise InvalidBundle(
            f"bundle {directory}: the verdict cannot be written: {error}; gate a copy that can be written"
        ) from None


def admit(directory: Path, manifest: Manifest, admission: Admission) -> Release:
    """Return the release status of a bundle; a forced load is recorded first.

    Raises :class:`RejectedBundle` if the bundle may not be loaded, and :class:`InvalidBundle` if its verdict
    cannot be trusted or the record of a forced load cannot be written.
    """
    if admission.evaluation:
        return _release_of(_latest_or_none(directory, manifest))
    verdict = read_verdict(directory, manifest)
    release = _release_of(verdict)
    problem = _problem(directory, manifest, verdict, admission)
    if problem is None:
        return release
    why = admission.force.strip()[:MAX_REASON]
    if not why:
        raise RejectedBundle(
            f"{problem}; release a better bundle, or force this one with SHELFWISE_FORCE_REJECTED_BUNDLE='reason',"
            f" which is recorded in {directory / FORCED}"
        )
    _record(directory, manifest, why)
    _log.warning("%s; loaded all the same: %s", problem, why)
    return "forced"


def _release_of(verdict: GateVerdict | None) -> Release:
    return "not_gated" if verdict is None else verdict.decision


def _problem(directory: Path, manifest: Manifest, verdict: GateVerdict | None, admission: Admission) -> str | None:
    name = f"bundle {directory} (model {manifest.model_version})"
    if verdict is None:
        return f"{name} was never gated, and SHELFWISE_REQUIRE_GATE is on" if admission.require_gate else None
    if verdict.decision == "accepted":
        return None
    return (
        f"{name} was rejected by the gate at {verdict.decided_at:%Y-%m-%d %H:%M} UTC: {'; '.join(verdict.reasons)}"
    )


def _latest_or_none(directory: Path, manifest: Manifest) -> GateVerdict | None:
    try:
        return read_verdict(directory, manifest)
    except InvalidBundle as error:
        _log.warning("%s", error)
        return None


def _read(directory: Path, manifest: Manifest) -> tuple[GateVerdict, ...]:
    file = directory / GATE
    if manifest.gate is None:
        if file.exists():
            raise InvalidBundle(f"bundle {directory}: {GATE} is not the manifest's; {_GATE_AGAIN}")
        return ()
    files.check(directory, GATE, manifest.gate, _GATE_AGAIN)
    try:
        verdicts = msgspec.json.decode(file.read_bytes(), type=GateFile).verdicts
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidBundle(f"{file}: {error}; {_GATE_AGAIN}") from None
    if any(verdict.model_version != manifest.model_version for verdict in verdicts):
        raise InvalidBundle(f"{file}: a verdict on another model than {manifest.model_version}; {_GATE_AGAIN}")
    return verdicts


def _record(directory: Path, manifest: Manifest, reason: str) -> None:
    load = ForcedLoad(at=datetime.now(UTC), model_version=manifest.model_version, reason=reason)
    try:
        # A single write of a short line, so that the lines of workers that start together do not mix.
        descriptor = os.open(directory / FORCED, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, msgspec.json.encode(load) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InvalidBundle(
            f"bundle {directory}: a forced load must be recorded in {FORCED}, which cannot be written: {error};"
            " make the directory writable"
        ) from None


def _replace(file: Path, data: bytes) -> None:
    made = file.with_name(f".{file.name}.new")
    made.write_bytes(data)
    os.replace(made, file)
