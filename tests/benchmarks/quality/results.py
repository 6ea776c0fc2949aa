"""Stored results, grouped by seed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.quality import store
from tests.benchmarks.quality.store import PerProduct, Run


@dataclass(frozen=True, slots=True)
class Seeds:
    """The results of one method on one split, one per seed."""

    seeds: tuple[int, ...]
    products: list[PerProduct]
    figures: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.seeds)

    def mean(self, name: str) -> float:
        """Return the mean of a stored number over the seeds."""
        return float(np.mean([figures[name] for figures in self.figures]))


class Results:
    """All results under a directory; arrays are read when needed."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._seeds: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
        for run in store.stored(out):
            self._seeds[run.dataset, run.split, run.method].append(run.seed)

    def groups(self) -> list[tuple[str, str, str]]:
        """Return the dataset, split and method of every stored result."""
        return sorted(self._seeds)

    def methods(self, dataset: str, split: str, prefix: str = "") -> list[str]:
        """Return the methods stored for a split, with this prefix."""
        return [
            name
            for data, part, name in self.groups()
            if (data, part) == (dataset, split) and name.startswith(prefix)
        ]

    def of(self, dataset: str, split: str, method: str, *seeds: int) -> Seeds:
        """Return the stored results of these seeds, or of all if none are given; may be empty."""
        found = [
            seed for seed in sorted(self._seeds.get((dataset, split, method), [])) if not seeds or seed in seeds
        ]
        runs = [Run(dataset, split, seed, method) for seed in found]
        return Seeds(
            tuple(found),
            [store.load_products(self._out, run) for run in runs],
            [store.load_figures(self._out, run) or {} for run in runs],
        )

    def both(self, dataset: str, split: str, one: str, other: str) -> tuple[list[PerProduct], list[PerProduct]]:
        """Return the per-product results of two methods for the seeds that both have."""
        common = set(self._seeds.get((dataset, split, one), [])) & set(
            self._seeds.get((dataset, split, other), [])
        )
        if not common:
            return [], []
        return self.of(dataset, split, one, *common).products, self.of(dataset, split, other, *common).products
