"""What one invocation of the benchmark measures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

CONTESTANTS = ("bare", "quix", "plain_faust", "ours", "ours_without_learning", "ours_two_processes")


@dataclass(frozen=True, slots=True)
class Options:
    """``seconds`` bounds each contestant's run from its first decision on; ``loads`` are shares of capacity.

    Each load lasts ``load_seconds`` after ``warm_up_seconds`` of the same rate. ``bundle`` replaces the
    benchmark's own bundle on a tree of ``nodes``; ``data`` is the directory of real catalogues to mix in, if there
    are any. ``cores`` bounds the CPU time of each worker, and of each other contestant. The broker is at work for
    ``broker_seconds`` before latencies are measured, so that its code is compiled.
    """

    events: int = 200_000
    rounds: int = 3
    seconds: float = 60.0
    loads: tuple[float, ...] = (0.25, 0.50, 0.75, 0.90)
    load_seconds: float = 20.0
    warm_up_seconds: float = 5.0
    broker_seconds: float = 30.0
    model_products: int = 6_400
    contestants: tuple[str, ...] = CONTESTANTS
    seed: int = 1
    nodes: int = 5_595
    bundle: Path | None = None
    data: Path | None = None
    cores: float | None = None

    def without_latency(self) -> Self:
        """Return the same options without loads."""
        return replace(self, loads=())

    def short(self) -> Self:
        """Return options for a run of about four minutes."""
        return replace(
            self,
            events=min(self.events, 20_000),
            rounds=1,
            seconds=10.0,
            loads=(0.50, 0.90),
            load_seconds=6.0,
            warm_up_seconds=2.0,
            broker_seconds=15.0,
            model_products=1_920,
        )
