"""Short runs of the fault harness; `make fault` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.harness.run import Plan, run

pytestmark = pytest.mark.timeout(600)

_PLANS = {
    "a_kill_and_a_restart_of_the_broker": Plan(1_200, ["kill_worker", "stop_broker"], seed=5),
    "a_lost_store_and_a_cut_changelog": Plan(1_200, ["lose_state"], seed=7),
    "cut_changelogs_and_a_kill": Plan(1_200, ["truncate_changelogs", "kill_worker"], seed=8, learning=True),
    "a_deleted_store": Plan(1_200, ["delete_store"], seed=6, learning=True),
}


@pytest.mark.parametrize("plan", _PLANS.values(), ids=_PLANS)
def test_every_event_has_its_outcome_every_decision_is_right_and_tables_equal_a_recount_after(
    plan: Plan, sample_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(plan, sample_bundle, say=lambda _: None)
    with capsys.disabled():
        print(f"\n{report.summary()}")
    assert report.well, report.document()
