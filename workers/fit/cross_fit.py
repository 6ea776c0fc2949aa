"""Cross-fitting: the ranker is trained on what signals say of products that they were not fitted on.

A signal that has seen a product's label repeats it; a ranker trained on that would trust it blindly. So the
signals are fitted on all folds but one and asked about that one, fold by fold, counts included. Source: stacked
generalisation (Wolpert, 1992), cross-fitting (Chernozhukov et al., 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.candidates import Candidates
from workers.fit.parallel import map_processes
from workers.fit.progress import Progress
from workers.recall import union
from workers.signals.base import Signal, TrainingSet
from workers.signals.registry import SIGNALS


def out_of_fold_candidates(
    training: TrainingSet, folds: NDArray[np.int64], progress: Progress
) -> tuple[Candidates, NDArray[np.intp]]:
    """Return the candidates of all products, found out of fold, and the products' order in them."""
    order = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
    pieces = [(training, held_out) for held_out in order]
    parts = map_processes(_ask, pieces, "signals, out of fold", progress)
    return concatenate(parts), np.concatenate(order)


def _ask(piece: tuple[TrainingSet, NDArray[np.intp]]) -> Candidates:
    training, held_out = piece
    signals = fit_signals(training.take(np.setdiff1d(np.arange(len(training.labels)), held_out)))
    return union(signals, training.take(held_out).batch)


def fit_signals(training: TrainingSet) -> list[Signal]:
    """Fit every registered signal."""
    return [signal.fit(training) for signal in SIGNALS]


def concatenate(parts: Sequence[Candidates]) -> Candidates:
    """Return the candidates of several batches as those of one."""
    sizes = [len(part.categories) for part in parts]
    shifts = np.cumsum([0, *sizes[:-1]])
    offsets = [part.offsets[:-1] + shift for part, shift in zip(parts, shifts, strict=True)]
    return Candidates(
        signals=parts[0].signals,
        context_names=parts[0].context_names,
        offsets=np.concatenate([*offsets, [sum(sizes)]]).astype(np.int64),
        categories=np.concatenate([part.categories for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        named=np.concatenate([part.named for part in parts]),
        context=np.concatenate([part.context for part in parts]),
    )
