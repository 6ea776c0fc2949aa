"""Run a baseline: rank the test side, and the training side out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.quality.baselines.base import Baseline, Rows
from tests.benchmarks.quality.ranked import Ranked, average, empty, fit_temperature, fit_weights, put_together
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.store import load_arrays, save_arrays
from tests.benchmarks.quality.vectors import VectorCache
from workers.fit.folds import assign_folds
from workers.progress import Progress

FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class Said:
    """A method's rankings of both sides, and its cost in CPU time.

    ``fit_seconds`` is for the fit on all training products; ``microseconds`` for one test product, from text to
    ranking.
    """

    out_of_fold: Ranked
    test: Ranked
    fit_seconds: float
    microseconds: float


def run_baseline(
    baseline: Baseline, problem: Problem, vectors: VectorCache | None, progress: Progress, cached: Path
) -> Said:
    """Run a baseline, or read the result of an earlier run from ``cached``."""
    if cached.exists():
        return _read(cached)
    started = process_time()
    training, test = baseline.prepare(problem, vectors)
    prepared = process_time() - started
    progress(baseline.name, 0, FOLDS + 1)
    started = process_time()
    score = baseline.fit(training, problem.training.labels)
    fitted = process_time() - started
    started = process_time()
    ranked = score(test)
    scored = process_time() - started
    of_one = prepared / (len(problem.test.labels) + len(problem.training.labels))
    if baseline.needs_encoder and vectors is not None:
        # Cached vectors take no time, so use the encoder's time from when they were made.
        of_one = vectors.microseconds / 1e6
    said = Said(
        out_of_fold=_out_of_fold(baseline, training, problem, progress),
        test=ranked,
        fit_seconds=fitted + of_one * len(problem.training.labels) * baseline.learns,
        microseconds=(scored / len(problem.test.labels) + of_one) * 1e6,
    )
    _write(cached, said)
    return said


def _out_of_fold(baseline: Baseline, rows: Rows, problem: Problem, progress: Progress) -> Ranked:
    labels = problem.training.labels
    if not baseline.learns:
        return baseline.fit(rows, labels)(rows)
    folds = assign_folds(problem.training.products, FOLDS, seed=0)
    order, parts = [], []
    for fold in range(FOLDS):
        progress(baseline.name, fold + 1, FOLDS + 1)
        held_out, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(held_out) and len(others):
            parts.append(baseline.fit(rows[others], labels[others])(rows[held_out]))
        else:
            parts.append(empty(len(held_out)))
        order.append(held_out)
    progress(baseline.name, FOLDS + 1, FOLDS + 1)
    return put_together(parts, np.concatenate(order))


def combine(members: Sequence[Said], labels: NDArray[np.int32]) -> Said:
    """Return the weighted mean of the members' probabilities.

    Temperatures and weights are fitted to the training ``labels``, out of fold.
    """
    temperatures = [fit_temperature(member.out_of_fold, labels) for member in members]
    weights = fit_weights([member.out_of_fold for member in members], temperatures, labels)
    return Said(
        average([member.out_of_fold for member in members], temperatures, weights),
        average([member.test for member in members], temperatures, weights),
        sum(member.fit_seconds for member in members),
        sum(member.microseconds for member in members),
    )


def _write(file: Path, said: Said) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "categories": said.out_of_fold.categories,
        "scores": said.out_of_fold.scores,
        "test_categories": said.test.categories,
        "test_scores": said.test.scores,
        "costs": np.array([said.fit_seconds, said.microseconds]),
    }
    save_arrays(file, arrays)


def _read(file: Path) -> Said:
    arrays = load_arrays(file)
    return Said(
        Ranked(arrays["categories"], arrays["scores"]),
        Ranked(arrays["test_categories"], arrays["test_scores"]),
        *arrays["costs"].tolist(),
    )
