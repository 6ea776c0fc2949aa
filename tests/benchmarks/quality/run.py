"""Produce one result: read, split, run the method and store. Each runs in a process, with its own memory."""

from __future__ import annotations

import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from schemas.events.batch import Outcome
from tests.benchmarks.quality import ours, store
from tests.benchmarks.quality.baselines.registry import BASELINES, COMBINATION, members
from tests.benchmarks.quality.confidence import Confidence
from tests.benchmarks.quality.cross_fit import FOLDS, Said, combine, run_baseline
from tests.benchmarks.quality.datasets import DATASETS, read_catalogue
from tests.benchmarks.quality.figures import estimate
from tests.benchmarks.quality.splits import Problem, make_problem
from tests.benchmarks.quality.store import PerProduct, Run
from tests.benchmarks.quality.vectors import VectorCache
from workers.encoders.load import load_encoder
from workers.evaluation.metrics import measure
from workers.evaluation.outcomes import ProductOutcomes
from workers.fit.fit import CascadeOptions, FitOptions
from workers.fit.labels import acceptable_labels
from workers.progress import silent

# Increase this when the same settings give other results, because of splits, confidence or thresholds.
_VERSION: Final = 1
_COMBINATION_VERSION: Final = 2
_RANKED: Final = 5


@dataclass(frozen=True, slots=True)
class Places:
    """Directories; ``encoder`` is the baselines' sentence encoder, ``our_encoder`` our model's, each optional."""

    data: Path
    out: Path
    encoder: Path | None = None
    our_encoder: Path | None = None


def run_in_process(run: Run, places: Places) -> dict[str, Any]:
    """Run in a new process and return the stored figures; raises the errors raised there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(execute, run, places).result()


def is_stored(run: Run, places: Places) -> bool:
    """Return whether the result is stored and its dependencies have not changed."""
    figures = store.load_figures(places.out, run)
    return figures is not None and figures["digest"] == digest(run, places)


def digest(run: Run, places: Places) -> str:
    """Return the digest of everything that a result depends on: products, split, settings, encoder, our code."""
    dependencies = _of_problem(run, places)
    if run.method.startswith(ours.OURS):
        dependencies |= _of_ours(places)
        if run.method == ours.CASCADE:
            dependencies |= {"cascade": _encoder_digest(places.encoder)}
    elif run.method == COMBINATION:
        names = members(encoder=places.encoder is not None)
        dependencies |= {"combination": _COMBINATION_VERSION}
        dependencies |= {name: _of_baseline(name, places) for name in names}
    else:
        dependencies |= _of_baseline(run.method, places)
    return store.digest(dependencies)


def execute(run: Run, places: Places) -> dict[str, Any]:
    """Run in this process with one thread, and store the result."""
    with threadpool_limits(1):
        problem = make_problem(read_catalogue(DATASETS[run.dataset], places.data), run.split, run.seed)
        if run.method.startswith(ours.OURS):
            products, figures = _run_ours(run, problem, places)
        else:
            products, figures = _run_baseline(run, problem, places)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    figures |= {
        **asdict(run),
        "digest": digest(run, places),
        "products_fitted_on": len(problem.training.labels),
        "products_tried_on": len(problem.test.labels),
        "label_seen": float(np.isin(problem.test.labels, problem.training.labels).mean()),
        "nodes": len(problem.taxonomy),
        "peak_megabytes": round(peak / (2**20 if sys.platform == "darwin" else 2**10)),
        **{name: asdict(value) for name, value in estimate([products]).items()},
    }
    store.save(places.out, run, figures, products)
    return figures


def _run_baseline(run: Run, problem: Problem, places: Places) -> tuple[PerProduct, dict[str, Any]]:
    vectors = VectorCache(places.encoder, places.out / "cache") if places.encoder else None
    said = _said(run, problem, places, vectors)
    if len(said.out_of_fold):
        confidence = Confidence.fit(said.out_of_fold, problem.training.labels)
    else:
        confidence = Confidence.unfitted()
    sure = confidence(said.test)
    products = PerProduct(
        problem.test.labels, said.test.categories[:, :_RANKED], sure, sure >= confidence.threshold
    )
    return products, {
        "fit_seconds": round(said.fit_seconds, 2),
        "microseconds": round(said.microseconds, 1),
        "confidence_by": confidence.measure,
        "threshold": confidence.threshold if np.isfinite(confidence.threshold) else None,
        "out_of_fold_exact": _share(said.out_of_fold.categories[:, 0] == problem.training.labels),
        "measures": measure(_outcomes(problem, products)),
    }


def _said(run: Run, problem: Problem, places: Places, vectors: VectorCache | None) -> Said:
    def of(name: str) -> Said:
        key = store.digest(_of_problem(run, places) | _of_baseline(name, places))
        file = places.out / "cache" / "said" / f"{run.dataset}-{run.split}-{run.seed}-{name}-{key}.npz"
        return run_baseline(BASELINES[name], problem, vectors, silent, file)

    if run.method == COMBINATION:
        names = members(encoder=vectors is not None)
        return combine([of(name) for name in names], problem.training.labels)
    return of(run.method)


def _run_ours(run: Run, problem: Problem, places: Places) -> tuple[PerProduct, dict[str, Any]]:
    bundle = places.out / "bundles" / run.dataset / f"{run.split}-{run.seed}"
    if run.method in {ours.OURS, ours.CASCADE}:
        if run.method == ours.CASCADE:
            bundle = bundle.with_name(f"{bundle.name}-cascade")
        decided = ours.run_ours(problem, _fit_options(run, places), bundle, silent)
    else:
        signal = run.method.removeprefix(ours.WITHOUT)
        key = store.digest(_of_problem(run, places) | _of_ours(places))
        cached = places.out / "cache" / "candidates" / f"{run.dataset}-{run.split}-{run.seed}-{key}.npz"
        decided = ours.run_without(signal, problem, run.seed, silent, bundle=bundle, cached=cached)
    return decided.products, {
        "threshold": decided.threshold,
        "measures": measure(decided.outcomes),
        "fit_seconds": round(decided.fit_seconds, 2),
        "microseconds": round(decided.microseconds, 1),
    }


def _fit_options(run: Run, places: Places) -> FitOptions:
    encoder = load_encoder(places.our_encoder) if places.our_encoder else None
    cascade = None
    if run.method == ours.CASCADE:
        if places.encoder is None:
            raise ValueError(f"{ours.CASCADE} needs a sentence encoder; give --encoder")
        cascade = CascadeOptions(load_encoder(places.encoder))
    return FitOptions(encoder=encoder, cascade=cascade, seed=run.seed)


def _outcomes(problem: Problem, products: PerProduct) -> ProductOutcomes:
    """Return a baseline's decisions: the likeliest category if it is confident enough, otherwise review."""
    return ProductOutcomes(
        taxonomy=problem.taxonomy,
        labels=products.labels,
        acceptable=acceptable_labels(problem.test),
        ranked=products.ranked,
        confidence=products.confidence,
        outcome=tuple(Outcome.ASSIGNED if sure else Outcome.NEEDS_REVIEW for sure in products.assigned),
        decided=np.where(products.assigned, products.ranked[:, 0], -1).astype(np.int32),
    )


def _share(right: np.ndarray) -> float | None:
    return float(right.mean()) if len(right) else None


def _of_problem(run: Run, places: Places) -> dict[str, Any]:
    dataset = DATASETS[run.dataset]
    return {
        "version": _VERSION,
        "file": store.file_digest(places.data / dataset.file),
        "tree": store.file_digest(places.data / dataset.tree) if dataset.tree else None,
        "split": run.split,
        "seed": run.seed,
    }


def _of_baseline(name: str, places: Places) -> dict[str, Any]:
    baseline = BASELINES[name]
    encoder = _encoder_digest(places.encoder) if baseline.needs_encoder else None
    return {"baseline": name, "settings": dict(baseline.settings), "encoder": encoder, "folds": FOLDS}


def _of_ours(places: Places) -> dict[str, Any]:
    return {"code": ours.source_digest(), "encoder": _encoder_digest(places.our_encoder)}


def _encoder_digest(directory: Path | None) -> str | None:
    return store.file_digest(directory / "model.onnx") if directory else None
