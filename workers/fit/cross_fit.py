"""Cross-fitting: the ranker is trained on what signals say of products that they were not fitted on.

A signal that has seen a product's label repeats it; a ranker trained on that would trust it blindly. So the
signals are fitted on all folds but one and asked about that one, fold by fold, counts included. Source: stacked
generalisation (Wolpert, 1992), cross-fitting (Chernozhukov et al., 2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.candidates import Candidates
from workers.fit.parallel import map_processes
from workers.fit.progress import Progress
from workers.recall import union
from workers.signals.base import Reference, Signal, TrainingSet
from workers.signals.registry import SIGNALS


def out_of_fold_candidates(
    training: TrainingSet, folds: NDArray[np.int64], progress: Progress
) -> tuple[Candidates, NDArray[np.intp]]:
    """Return the candidates of all products, found out of fold, and the products' order in them."""
    order = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
    pieces = [(training, held_out) for held_out in order]
    parts = map_processes(_ask, pieces, "signals, out of fold", progress)
    return Candidates.together(parts), np.concatenate(order)


def _ask(piece: tuple[TrainingSet, NDArray[np.intp]]) -> Candidates:
    training, held_out = piece
    signals, _ = fit_signals(training.take(np.setdiff1d(np.arange(len(training.labels)), held_out)))
    return union(signals, training.batch.take(held_out))


def fit_signals(training: TrainingSet) -> tuple[list[Signal], Reference]:
    """Fit every registered signal; return them with what they share."""
    reference = Reference.of(training)
    return [signal.fit(training, reference) for signal in SIGNALS], reference
