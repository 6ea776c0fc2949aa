"""One run: publish, inject faults, wait until everything is done, and check the results."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.fault.harness.account import Account, find_differences, read_outputs, standing_events, take_account
from tests.fault.harness.faults import FAULTS, SESSION_SECONDS, Scheduled, schedule
from tests.fault.harness.publisher import Publisher
from tests.fault.harness.recount import difference, recounted_weights, stored_weights
from tests.fault.harness.site import Site, open_site, patiently, wait_for
from tests.fault.harness.stream import Stream

MINIMUM_CONFIDENCE: Final = 0.5
_SETTINGS: Final[dict[str, Any]] = {
    "session_timeout_seconds": SESSION_SECONDS,
    "completion_timeout_seconds": 10,
    "learning_min_confidence": MINIMUM_CONFIDENCE,
}
# The number of events that are still to be done when a fault happens.
_WORK_UNDER_WAY: Final = 1_500
Say = Callable[[str], None]


@dataclass
class Plan:
    """``faults`` are names in FAULTS, in any order; ``patience_seconds`` is how long nothing may progress."""

    events: int
    faults: list[str]
    seed: int = 1
    learning: bool = False
    patience_seconds: float = 180.0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Report:
    """The results of a run; ``recovery_seconds`` has, for each fault, the time from its end to the next commit."""

    account: Account
    faults: list[str]
    recovery_seconds: list[float]
    worker_exits: int
    seconds: float
    stuck: bool = False
    table_differences: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nothing was lost and nothing differs."""
        account = self.account
        return not (
            self.stuck or account.lost or account.undecided or account.differences or self.table_differences
        )

    def summary(self) -> str:
        """Return a summary in one line."""
        return (
            f"{self.account.events:,} events, {len(self.faults)} faults ({', '.join(self.faults)}),"
            f" {self.account.duplicate_deliveries:,} duplicates seen by consumers, recovered after"
            f" {max(self.recovery_seconds, default=0.0):.1f} s at most; {'well' if self.well else 'NOT WELL'}"
        )

    def document(self) -> dict[str, Any]:
        """Return the figures for the JSON document."""
        account = self.account
        return {
            "events": account.events,
            "faults": self.faults,
            "lost": len(account.lost),
            "undecided": len(account.undecided),
            "differences": len(account.differences),
            "duplicate_deliveries": account.duplicate_deliveries,
            "tables_equal_recount": not self.table_differences,
            "max_recovery_seconds": round(max(self.recovery_seconds, default=0.0), 1),
            "worker_exits": self.worker_exits,
            "outcomes": dict(account.outcomes),
            "stuck": self.stuck,
            "seconds": round(self.seconds, 1),
            "problems": (account.problems + self.table_differences)[:40],
        }


def run(plan: Plan, bundle: Path, say: Say = print) -> Report:
    """Run a plan with a broker and workers of its own."""
    began = time.monotonic()
    chance = Random(plan.seed)
    with tempfile.TemporaryDirectory() as directory:
        settings = _SETTINGS | {"learning": plan.learning} | plan.settings
        with open_site(bundle, Path(directory), **settings) as site:
            publisher = Publisher(site.installation, Stream(plan.seed, plan.events), site.progress.committed)
            publisher.limit = _WORK_UNDER_WAY
            publisher.start()
            striker = _Striker(site, publisher, chance, plan.patience_seconds, say)
            recoveries = [striker.strike(item) for item in schedule(plan.faults, plan.events, chance)]
            publisher.limit = math.inf
            stuck = not _wait_until_done(site, publisher, plan.patience_seconds)
            publisher.stopped.set()
            publisher.join()
            say(f"{len(publisher.published):,} events published; all done: {not stuck}; taking account")
            report = _account(plan, site, publisher, bundle)
            report.recovery_seconds, report.stuck = recoveries, stuck
            report.faults, report.worker_exits = list(plan.faults), site.worker_exits
            if not report.well:
                _show_logs(site, say)
    report.seconds = time.monotonic() - began
    return report


@dataclass
class _Striker:
    site: Site
    publisher: Publisher
    chance: Random
    patience: float
    say: Say

    def strike(self, fault: Scheduled) -> float:
        """Wait for the scheduled moment, inject the fault, and return the seconds until another event is done."""
        site, publisher = self.site, self.publisher
        publisher.limit = fault.at + _WORK_UNDER_WAY
        moved = _Moved(site)
        while site.progress.committed() < fault.at and publisher.is_alive() and not moved.still_for(self.patience):
            time.sleep(0.1)
        before = site.progress.committed()
        self.say(f"{before:,} events done: {fault.name}")
        FAULTS[fault.name](site, self.chance)
        ended = time.monotonic()
        done = wait_for(
            lambda: site.progress.committed() > before or not _outstanding(site, publisher), self.patience
        )
        seconds = time.monotonic() - ended
        self.say(f"  recovered after {seconds:.1f} s" if done else f"  nothing has moved for {seconds:.0f} s")
        return seconds


class _Moved:
    """Watches whether committed offsets move."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._last = -1
        self._at = time.monotonic()

    def still_for(self, seconds: float) -> bool:
        """Return whether nothing has moved for ``seconds``."""
        committed = self._site.progress.committed()
        if committed != self._last:
            self._last, self._at = committed, time.monotonic()
        return time.monotonic() - self._at > seconds


def _outstanding(site: Site, publisher: Publisher) -> bool:
    return publisher.is_alive() or site.progress.committed() < len(publisher.published)


def _wait_until_done(site: Site, publisher: Publisher, patience: float) -> bool:
    moved = _Moved(site)
    while _outstanding(site, publisher):
        if moved.still_for(patience):
            return False
        time.sleep(0.2)
    return True


def _account(plan: Plan, site: Site, publisher: Publisher, bundle: Path) -> Report:
    installation = site.installation
    differences: list[str] = []

    def equal() -> bool:
        nonlocal differences
        differences = difference(stored_weights(installation), recounted_weights(installation, MINIMUM_CONFIDENCE))
        return not differences

    if plan.learning:
        # Learning lags behind the decisions: wait until its tables agree, or the time is over.
        wait_for(lambda: patiently(equal), min(plan.patience_seconds, 60.0), poll=2.0)
    outputs = patiently(lambda: read_outputs(installation))
    account = take_account(publisher.published, outputs)
    account.differences = find_differences(
        standing_events(publisher.published), outputs, None if plan.learning else bundle
    )
    account.undecided += [f"not published: {failure}" for failure in publisher.failures]
    return Report(account, [], [], 0, 0.0, table_differences=differences)


def _show_logs(site: Site, say: Say) -> None:
    for worker in site.workers:
        say(f"{worker.log} ends:\n{worker.log_end()}")
