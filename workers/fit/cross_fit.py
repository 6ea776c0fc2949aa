"""Cross-fitting: the ranker is trained on what signals say of products that they were not fitted on.

A signal that has seen a product's label repeats it; a ranker trained on that would trust it blindly. So the
signals are fitted on all folds but one and asked about that one, fold by fold, counts included. Source: stacked
generalisation (Wolpert, 1992), cross-fitting (Chernozhukov et al., 2018).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.candidates import Candidates
from workers.fit.parallel import map_processes
from workers.fit.progress import Progress
from workers.recall import union
from workers.signals.base import Reference, Signal, TrainingSet
from workers.signals.registry import SIGNALS

FittedSignals = tuple[list[Signal], Reference]
"""The signals, and what they share."""


def cross_fit(
    training: TrainingSet, folds: NDArray[np.int64], progress: Progress
) -> tuple[FittedSignals, Candidates, NDArray[np.intp]]:
    """Fit the signals on all products, and on all but each fold.

    Returns the former, the candidates of all products, found by the latter, and the products' order in them.
    """
    order = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
    pieces: list[Callable[[], Any]] = [
        partial(fit_signals, training),
        *(partial(_ask, training, held_out) for held_out in order),
    ]
    fitted, *asked = map_processes(operator.call, pieces, "signals", progress)
    return fitted, Candidates.together(asked), np.concatenate(order)


def _ask(training: TrainingSet, held_out: NDArray[np.intp]) -> Candidates:
    signals, _ = fit_signals(training.take(np.setdiff1d(np.arange(len(training.labels)), held_out)))
    return union(signals, training.batch.take(held_out))


def fit_signals(training: TrainingSet) -> FittedSignals:
    """Fit every registered signal."""
    reference = Reference.of(training)
    return [signal.fit(training, reference) for signal in SIGNALS], reference
