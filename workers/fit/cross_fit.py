"""Cross-fitting: train the ranker on what signals say about products that they were not fitted on.

A signal that has seen a product's label repeats it, and a ranker trained on that would trust the signal blindly.
So for each fold the signals, including their counts, are fitted on all other folds and then asked about this one.
Source: stacked generalisation (Wolpert, 1992), cross-fitting (Chernozhukov et al., 2018). In the same way, signals
are asked about stores that they were not fitted on; no ranker learns from those answers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.fit.held_out_stores import StoresHeldOut
from workers.fit.parallel import map_processes
from workers.progress import Progress
from workers.recall.candidates import Candidates
from workers.recall.cascade import lead, sentence_names
from workers.recall.examples import Examples
from workers.recall.recall import union
from workers.signals.ask import ask
from workers.signals.base import Reference, Signal, TrainingSet
from workers.signals.registry import SENTENCE_SIGNALS, SIGNALS

# Signals score every category for each product, so this bounds memory.
_ASKED_AT_ONCE: Final = 4_096


@dataclass(frozen=True, slots=True)
class Encoded:
    """A training set encoded by the first encoder and, if there is a cascade, by its sentence encoder."""

    first: TrainingSet
    sentences: TrainingSet | None = None

    def take(self, rows: NDArray[np.intp]) -> Encoded:
        """Return some of the products."""
        return Encoded(self.first.take(rows), self.sentences and self.sentences.take(rows))


@dataclass(frozen=True, slots=True)
class FittedSignals:
    """Signals and the data that they share; ``sentences`` are those of the cascade, if there is one."""

    signals: list[Signal]
    reference: Reference
    sentences: FittedSignals | None = None


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """Signals fitted on all n products, and what signals that were fitted on other products say about each.

    ``by_folds`` covers all products, in the order ``order`` intp (n,); ``by_stores`` has one entry for each turn
    of held-out stores.
    """

    fitted: FittedSignals
    by_folds: HeldOutCandidates
    order: NDArray[np.intp]
    by_stores: list[HeldOutCandidates]


class HeldOutCandidates(NamedTuple):
    """Candidates of n held-out products, and the :func:`workers.recall.cascade.lead` of each, float32 (n,).

    If there is a cascade, it was asked about all of them.
    """

    candidates: Candidates
    leads: NDArray[np.float32]


def cross_fit(
    training: Encoded, folds: NDArray[np.int64], turns: Sequence[StoresHeldOut], progress: Progress
) -> CrossFitted:
    """Fit the signals on all products, on all but each fold in turn, and on the known products of each turn."""
    order = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
    pieces: list[Callable[[], Any]] = [
        partial(fit_signals, training),
        *(partial(_ask, training, np.flatnonzero(folds != fold), asked) for fold, asked in enumerate(order)),
        *(partial(_ask, training, np.flatnonzero(turn.known), turn.asked) for turn in turns),
    ]
    fitted, *asked = map_processes(operator.call, pieces, "signals", progress)
    candidates, leads = zip(*asked[: len(order)], strict=True)
    by_folds = HeldOutCandidates(Candidates.concatenate(candidates), np.concatenate(leads))
    return CrossFitted(fitted, by_folds, np.concatenate(order), asked[len(order) :])


def _ask(training: Encoded, known: NDArray[np.intp], held_out: NDArray[np.intp]) -> HeldOutCandidates:
    fitted = fit_signals(training.take(known))
    starts = range(0, max(len(held_out), 1), _ASKED_AT_ONCE)
    parts = [_ask_fitted(fitted, training.take(held_out[start : start + _ASKED_AT_ONCE])) for start in starts]
    candidates, leads = zip(*parts, strict=True)
    return HeldOutCandidates(Candidates.concatenate(candidates), np.concatenate(leads))


def _ask_fitted(fitted: FittedSignals, asked: Encoded) -> HeldOutCandidates:
    scores = ask(fitted.signals, asked.first.batch)
    count = len(asked.first.labels)
    leads = lead(scores, count)
    if fitted.sentences is not None and asked.sentences is not None:
        scores += sentence_names(ask(fitted.sentences.signals, asked.sentences.batch))
    return HeldOutCandidates(union(scores, count), leads)


def fit_signals(training: Encoded) -> FittedSignals:
    """Fit every registered signal."""
    first = training.first
    reference = Reference.of(first)
    signals: list[Signal] = [signal.fit(first, reference) for signal in SIGNALS]
    if training.sentences is None:
        return FittedSignals(signals, reference)
    return FittedSignals(signals, reference, _fit_sentence_signals(training.sentences, reference))


def _fit_sentence_signals(training: TrainingSet, reference: Reference) -> FittedSignals:
    shared = replace(
        reference,
        category_vectors=training.category_vectors,
        examples=Examples.of(training.batch.products, training.batch.branded, training.labels),
    )
    return FittedSignals([signal.fit(training, shared) for signal in SENTENCE_SIGNALS], shared)
