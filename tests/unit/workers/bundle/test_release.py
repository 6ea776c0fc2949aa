"""A bundle that the gate rejected is not loaded, unless a person forces it, and then that is on record."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import msgspec
import orjson
import pytest

from schemas.errors import InvalidBundle, RejectedBundle
from schemas.gate import ForcedLoad
from tests.gate_verdicts import REASON, verdict
from workers.bundle.bundle import load_bundle
from workers.bundle.files import read_manifest, verify
from workers.bundle.release import EVALUATION, MAX_VERDICTS, Admission, admit, read_verdict, write_verdict


@pytest.fixture
def copy(sample_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample_bundle, tmp_path / "copy"))


@pytest.fixture
def rejected(copy: Path) -> Path:
    write_verdict(copy, verdict(copy, "rejected"))
    return copy


def test_a_bundle_that_was_never_gated_loads(copy: Path) -> None:
    assert load_bundle(copy).release == "not_gated"


def test_a_bundle_that_was_never_gated_is_refused_where_the_gate_is_required(copy: Path) -> None:
    with pytest.raises(RejectedBundle, match=r"never gated, and SHELFWISE_REQUIRE_GATE"):
        load_bundle(copy, Admission(require_gate=True))


def test_an_accepted_bundle_loads(copy: Path) -> None:
    version = load_bundle(copy).model_version
    write_verdict(copy, verdict(copy, "accepted"))
    loaded = load_bundle(copy, Admission(require_gate=True))
    assert (loaded.release, loaded.model_version) == ("accepted", version)


def test_a_rejected_bundle_is_refused_with_the_reason_and_the_remedy(rejected: Path) -> None:
    with pytest.raises(RejectedBundle, match=rf"{REASON}.*SHELFWISE_FORCE_REJECTED_BUNDLE"):
        load_bundle(rejected)


def test_a_blank_reason_forces_nothing(rejected: Path) -> None:
    with pytest.raises(RejectedBundle):
        load_bundle(rejected, Admission(force="  "))
    assert not (rejected / "forced.jsonl").exists()


def test_a_rejected_bundle_may_be_evaluated(rejected: Path) -> None:
    assert load_bundle(rejected, EVALUATION).release == "rejected"
    assert not (rejected / "forced.jsonl").exists()


def test_a_forced_load_is_logged_and_recorded_each_time(rejected: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert load_bundle(rejected, Admission(force="the old one is worse: ticket 12")).release == "forced"
    assert "ticket 12" in caplog.text
    assert REASON in caplog.text
    admit(rejected, read_manifest(rejected), Admission(force="x" * 10_000))
    lines = (rejected / "forced.jsonl").read_bytes().splitlines()
    loads = [msgspec.json.decode(line, type=ForcedLoad) for line in lines]
    assert [load.reason for load in loads] == ["the old one is worse: ticket 12", "x" * 500]
    assert {load.model_version for load in loads} == {read_manifest(rejected).model_version}


def test_a_force_that_cannot_be_recorded_does_not_load(rejected: Path) -> None:
    (rejected / "forced.jsonl").mkdir()
    with pytest.raises(InvalidBundle, match="must be recorded"):
        load_bundle(rejected, Admission(force="now"))


def test_the_latest_verdict_holds_and_earlier_ones_are_kept(rejected: Path) -> None:
    write_verdict(rejected, verdict(rejected, "accepted"))
    assert load_bundle(rejected).release == "accepted"
    kept = orjson.loads((rejected / "gate.json").read_bytes())["verdicts"]
    assert [one["decision"] for one in kept] == ["rejected", "accepted"]


def test_the_verdicts_that_are_kept_are_bounded(copy: Path) -> None:
    for _ in range(MAX_VERDICTS + 2):
        write_verdict(copy, verdict(copy, "accepted"))
    assert len(orjson.loads((copy / "gate.json").read_bytes())["verdicts"]) == MAX_VERDICTS


def test_a_copy_of_the_directory_keeps_the_verdict(rejected: Path, tmp_path: Path) -> None:
    with pytest.raises(RejectedBundle):
        load_bundle(Path(shutil.copytree(rejected, tmp_path / "elsewhere")))


def test_an_edited_verdict_is_refused(rejected: Path) -> None:
    file = rejected / "gate.json"
    file.write_bytes(file.read_bytes().replace(b'"rejected"', b'"accepted"'))
    with pytest.raises(InvalidBundle, match=r"gate.json was altered"):
        load_bundle(rejected, Admission(force="it was altered"))


def test_a_deleted_verdict_is_missed(rejected: Path) -> None:
    (rejected / "gate.json").unlink()
    with pytest.raises(InvalidBundle, match=r"gate.json is missing"):
        load_bundle(rejected)


def test_a_verdict_put_beside_a_bundle_is_refused(rejected: Path, sample_bundle: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(sample_bundle, tmp_path / "other"))
    shutil.copy(rejected / "gate.json", other / "gate.json")
    with pytest.raises(InvalidBundle, match=r"gate.json is not the manifest's"):
        load_bundle(other)


def test_a_verdict_on_another_model_is_refused(copy: Path) -> None:
    write_verdict(copy, verdict(copy, "accepted"))
    manifest = orjson.loads((copy / "manifest.json").read_bytes())
    (copy / "manifest.json").write_bytes(orjson.dumps(manifest | {"model_version": "another"}))
    with pytest.raises(InvalidBundle, match="on another model"):
        read_verdict(copy, read_manifest(copy))
    with pytest.raises(InvalidBundle, match="model_version another is not that of its files"):
        verify(copy)


def test_a_verdict_on_a_bundle_that_was_replaced_meanwhile_is_not_written(copy: Path) -> None:
    stale = msgspec.structs.replace(verdict(copy, "accepted"), model_version="another")
    with pytest.raises(InvalidBundle, match="replaced meanwhile"):
        write_verdict(copy, stale)


def test_a_bundle_whose_verdict_was_damaged_can_be_gated_again(rejected: Path) -> None:
    (rejected / "gate.json").write_bytes(b"{")
    write_verdict(rejected, verdict(rejected, "accepted"))
    assert load_bundle(rejected).release == "accepted"
