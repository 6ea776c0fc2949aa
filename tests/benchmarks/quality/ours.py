"""Our own model: fit, load and decide the test side; also as a cascade, and without a signal."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import schemas
import workers
from schemas.events.batch import Outcome
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.store import PerProduct, load_arrays, save_arrays
from workers.bundle.bundle import load_bundle
from workers.evaluation.outcomes import ProductOutcomes, collect_outcomes
from workers.fit.cross_fit import Encoded, cross_fit
from workers.fit.fit import FitOptions, encode_labelled, fit, namesake_candidates
from workers.fit.fit_ranking import RankingData, fit_ranking
from workers.fit.folds import assign_folds
from workers.fit.labels import acceptable_labels
from workers.fit.out_of_fold import OutOfFold
from workers.near_duplicates import near_duplicate_groups
from workers.progress import Progress
from workers.ranking.ranking import ALTERNATIVES, Prediction
from workers.recall.candidates import Candidates
from workers.signals.registry import SIGNALS
from workers.statistics import NoStatistics

OURS: Final = "ours"
CASCADE: Final = "ours_cascade"
"""Our model with the baselines' sentence encoder, which is asked about three in ten products."""

WITHOUT: Final = "ours_without_"
_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Candidates))
_THRESHOLD: Final = "threshold_at_95_precision"


@dataclass(frozen=True, slots=True)
class Decided:
    """The outcomes of the test side and their cost: wall-clock seconds to fit, CPU microseconds per product.

    ``threshold`` is the confidence that kept 95 % precision out of fold, if the fit reports it; it is comparable
    with the baselines' thresholds. The bundle's own threshold keeps its error budget with a margin, and is used in
    the outcomes.
    """

    outcomes: ProductOutcomes
    threshold: float | None
    fit_seconds: float
    microseconds: float

    @property
    def products(self) -> PerProduct:
        """The per-product results that every method stores."""
        if self.threshold is None:
            assigned = np.array([kind is Outcome.ASSIGNED for kind in self.outcomes.outcome], np.bool_)
        else:
            assigned = self.outcomes.confidence >= self.threshold
        return PerProduct(
            labels=self.outcomes.labels,
            ranked=self.outcomes.ranked,
            confidence=self.outcomes.confidence,
            assigned=assigned,
        )


def methods() -> list[str]:
    """Return our model and its ablations, one for each signal."""
    return [OURS, CASCADE, *(WITHOUT + signal.name for signal in SIGNALS)]


@cache
def source_digest() -> str:
    """Return the digest of all code that a bundle depends on."""
    found = hashlib.sha256()
    for package in (schemas, workers):
        for file in sorted(Path(package.__path__[0]).rglob("*.py")):
            found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def run_ours(problem: Problem, options: FitOptions, bundle: Path, progress: Progress) -> Decided:
    """Fit a new ``bundle`` on the training side, load it, and decide the test side."""
    shutil.rmtree(bundle, ignore_errors=True)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    started = perf_counter()
    report = fit(problem.training, problem.taxonomy, bundle, options, progress)
    seconds = perf_counter() - started
    loaded = load_bundle(bundle)
    started = process_time()
    outcomes = collect_outcomes(loaded, problem.test, progress)
    spent = process_time() - started
    threshold = report.metrics["out_of_fold"].get(_THRESHOLD)
    return Decided(outcomes, threshold, seconds, spent / len(problem.test.labels) * 1e6)


def run_without(
    signal: str, problem: Problem, seed: int, progress: Progress, *, bundle: Path, cached: Path
) -> Decided:
    """Refit ranking without a signal, on candidates of the bundle's other signals, and decide the test side.

    Candidates that only this signal proposed, its scores and its context are removed on both sides. The
    out-of-fold candidates of all signals are cached in ``cached``, for the ablations of other signals.
    """
    loaded = load_bundle(bundle)
    options = FitOptions(encoder=loaded.recall.encoder, seed=seed)
    folds = assign_folds(problem.training.products, options.folds, options.seed)
    if not cached.exists():
        training = encode_labelled(problem.training, problem.taxonomy, loaded.recall.encoder, progress)
        found = cross_fit(Encoded(training), folds, (), progress)
        save_candidates(cached, found.by_folds.candidates, found.order)
    candidates, order = load_candidates(cached)
    groups = near_duplicate_groups([product.title for product in problem.training.products])
    out_of_fold = OutOfFold.of(problem.training, without(candidates, signal), order, folds=folds, groups=groups)
    started = perf_counter()
    with_signal = namesake_candidates(loaded.recall, problem.taxonomy, seed)
    namesakes = replace(with_signal, candidates=without(with_signal.candidates, signal))
    ranking, measured = fit_ranking(
        RankingData(out_of_fold, namesakes), problem.taxonomy, options.ranking, progress
    )
    seconds = perf_counter() - started
    started = process_time()
    test = without(loaded.recall.candidates(problem.test.products, NoStatistics()), signal)
    predictions = ranking.decide(test)
    spent = process_time() - started
    microseconds = spent / len(problem.test.labels) * 1e6
    return Decided(_outcomes(problem, predictions), measured.get(_THRESHOLD), seconds, microseconds)


def save_candidates(file: Path, candidates: Candidates, order: NDArray[np.intp]) -> None:
    """Store candidates, and the ``order`` of the products in them, intp (n,)."""
    save_arrays(file, {"order": order, **{name: np.array(getattr(candidates, name)) for name in _FIELDS}})


def load_candidates(file: Path) -> tuple[Candidates, NDArray[np.intp]]:
    """Read what :func:`save_candidates` wrote."""
    arrays: dict[str, Any] = load_arrays(file)
    arrays |= {name: tuple(arrays[name].tolist()) for name in ("signals", "context_names")}
    return Candidates(**{name: arrays[name] for name in _FIELDS}), arrays["order"]


def without(candidates: Candidates, signal: str) -> Candidates:
    """Return the candidates as if the signal did not exist; raises :class:`ValueError` for an unknown signal."""
    if signal not in candidates.signals:
        raise ValueError(f"no signal {signal!r} to take away; there are {', '.join(candidates.signals)}")
    place = candidates.signals.index(signal)
    others = [at for at in range(len(candidates.signals)) if at != place]
    own = next(kind for kind in SIGNALS if kind.name == signal).context_names
    context = [at for at, name in enumerate(candidates.context_names) if name not in own]
    left = dataclasses.replace(
        candidates,
        signals=tuple(candidates.signals[at] for at in others),
        context_names=tuple(candidates.context_names[at] for at in context),
        scores=candidates.scores[:, others],
        proposed=candidates.proposed[:, others],
        context=candidates.context[:, context],
    )
    return left.only_proposed()


def _outcomes(problem: Problem, predictions: list[Prediction]) -> ProductOutcomes:
    count = len(predictions)
    ranked = np.full((count, ALTERNATIVES), -1, np.int32)
    for row, prediction in enumerate(predictions):
        nodes = [node for node, _ in prediction.alternatives]
        ranked[row, : len(nodes)] = nodes
    found: dict[str, Any] = {
        "ranked": ranked,
        "confidence": np.array([prediction.likeliest_confidence for prediction in predictions]),
        "outcome": tuple(prediction.outcome for prediction in predictions),
        "decided": np.array([-1 if v.category is None else v.category for v in predictions], np.int32),
    }
    return ProductOutcomes(problem.taxonomy, problem.test.labels, acceptable_labels(problem.test), **found)
