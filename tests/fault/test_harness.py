"""A short run of the fault harness; `make fault` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.harness.run import Plan, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]


@pytest.mark.xfail(strict=False, reason="a decision differed in 2 of 20 runs; docs/faults.md, known limits")
def test_after_a_kill_and_a_restart_of_the_broker_every_event_has_its_outcome_and_every_decision_is_the_right_one(
    sample_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(Plan(1_200, ["kill_worker", "stop_broker"], seed=5), sample_bundle, say=lambda _: None)
    with capsys.disabled():
        print(f"\n{report.summary()}")
    assert report.well, report.document()


def test_after_a_lost_store_and_a_cut_changelog_no_product_stands_on_two_topics(
    sample_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(Plan(1_200, ["lose_state"], seed=7), sample_bundle, say=lambda _: None)
    with capsys.disabled():
        print(f"\n{report.summary()}")
    assert report.well, report.document()


@pytest.mark.xfail(strict=False, reason="statistics may differ likewise; docs/faults.md, known limits")
def test_after_cut_changelogs_and_a_kill_the_tables_equal_a_recount(
    sample_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = ["truncate_changelogs", "kill_worker"]
    report = run(Plan(1_200, faults, seed=8, learning=True), sample_bundle, say=lambda _: None)
    with capsys.disabled():
        print(f"\n{report.summary()}")
    assert report.well, report.document()


@pytest.mark.xfail(strict=False, reason="statistics differed in 4 of 8 runs; docs/faults.md, known limits")
def test_after_a_deleted_store_with_learning_on_the_tables_equal_a_recount(
    sample_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(Plan(1_200, ["delete_store"], seed=6, learning=True), sample_bundle, say=lambda _: None)
    with capsys.disabled():
        print(f"\n{report.summary()}")
    assert report.well, report.document()
