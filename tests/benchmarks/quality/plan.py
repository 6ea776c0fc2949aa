"""Which results to produce, the most useful first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Final

from tests.benchmarks.quality import ours
from tests.benchmarks.quality.baselines.registry import BASELINES, COMBINATION, available
from tests.benchmarks.quality.datasets import DATASETS, Dataset
from tests.benchmarks.quality.splits import split_names
from tests.benchmarks.quality.store import Run

HARD_METHODS: Final = ("majority", "zero_shot", "svm", ours.OURS)
"""The methods for every split; other methods only run on random splits, unless asked for by name."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The user's choice; empty means all. ``only`` has patterns of ``dataset/split-seed/method``."""

    datasets: Sequence[str] = ()
    splits: Sequence[str] = ()
    seeds: Sequence[int] = (0, 1, 2)
    methods: Sequence[str] = ()
    only: Sequence[str] = ()
    encoder: bool = False


def method_names() -> list[str]:
    """Return the names of all methods."""
    return [*BASELINES, COMBINATION, *ours.methods()]


def plan(choice: Choice) -> list[Run]:
    """Return the runs: random splits, method by method, then the harder splits, then the other catalogues."""
    runs = dict.fromkeys(run for run in _all(choice) if _wanted(run, choice))
    return list(runs)


def _all(choice: Choice) -> Iterator[Run]:
    cascade = [ours.CASCADE] if choice.encoder else []
    everything = [*available(encoder=choice.encoder), ours.OURS, *cascade, *_ablations(choice)]
    full = [dataset for dataset in DATASETS.values() if dataset.full]
    first = choice.seeds[:1]
    for method in choice.methods or everything:
        yield from _runs(full, ["random"], choice.seeds, method)
    for dataset in DATASETS.values():
        for split in split_names(dataset.splits, curve=dataset.full):
            if split == "random" and not (dataset.tree or choice.methods):
                continue
            for method in choice.methods or HARD_METHODS:
                # A single shop has much influence, so one draw of shops is not enough.
                seeds = choice.seeds if split in dataset.splits or choice.methods else first
                yield from _runs([dataset], [split], seeds, method)
    for method in choice.methods or everything:
        others = [dataset for dataset in DATASETS.values() if not dataset.full and not dataset.tree]
        yield from _runs(others, ["random"], choice.seeds if choice.methods else first, method)


def _ablations(choice: Choice) -> list[str]:
    """Return only the ablations that are asked for by name: each takes as long as many baselines."""
    asked = [pattern.rpartition("/")[2] for pattern in choice.only]
    return [
        method
        for method in ours.methods()
        if any(pattern.startswith(ours.WITHOUT) and fnmatch(method, pattern) for pattern in asked)
    ]


def _runs(datasets: Sequence[Dataset], splits: Sequence[str], seeds: Sequence[int], method: str) -> Iterator[Run]:
    for seed in seeds:
        for dataset in datasets:
            for split in splits:
                yield Run(dataset.name, split, seed, method)


def _wanted(run: Run, choice: Choice) -> bool:
    if choice.datasets and run.dataset not in choice.datasets:
        return False
    if choice.splits and run.split not in choice.splits:
        return False
    name = f"{run.dataset}/{run.split}-{run.seed}/{run.method}"
    if choice.only and not any(fnmatch(name, pattern) for pattern in choice.only):
        return False
    baseline = BASELINES.get(run.method)
    if baseline is not None and baseline.needs_encoder and not choice.encoder:
        return False
    # Without labels there is nothing to learn: only methods that use the categories' text can be run.
    return run.split != "labels-0" or run.method == ours.OURS or (baseline is not None and not baseline.learns)
