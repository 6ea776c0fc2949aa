"""Fit a model bundle from labelled products."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from schemas.bundle import Manifest
from schemas.taxonomy.tree import Taxonomy
from workers.bundle.bundle import Provenance, save_bundle
from workers.encoders.base import Encoder
from workers.encoders.static import StaticEncoder
from workers.fit.cross_fit import fit_signals, out_of_fold_candidates
from workers.fit.fit_ranking import OutOfFold, RankingOptions, fit_ranking
from workers.fit.folds import assign_folds
from workers.fit.labels import LabelledProducts, acceptable_labels
from workers.fit.out_of_fold_metrics import measure
from workers.fit.progress import Progress, silent
from workers.product_text import category_texts
from workers.recall import Recall, encode_products
from workers.signals.base import Batch, TrainingSet
from workers.statistics import NoStatistics

_ENCODED_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit: ``encoder`` is the one to use, or none for the static one; ``folds`` is at least 2."""

    encoder: Encoder | None = None
    folds: int = 5
    ranking: RankingOptions = field(default_factory=RankingOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FitReport:
    """What was made, from what, and how good it is on products that it was not fitted on."""

    manifest: Manifest
    metrics: dict[str, Any]


def fit(
    labelled: LabelledProducts,
    taxonomy: Taxonomy,
    out: Path,
    options: FitOptions | None = None,
    progress: Progress = silent,
) -> FitReport:
    """Fit every part and write the bundle to ``out``."""
    with warnings.catch_warnings():
        # Few products a category is how every catalogue begins, and the linear model's precision is bounded on
        # purpose; neither is news. Filters are the process's, so they are set here and not in the threads.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        return _fit(labelled, taxonomy, out, options or FitOptions(), progress)


def _fit(
    labelled: LabelledProducts, taxonomy: Taxonomy, out: Path, options: FitOptions, progress: Progress
) -> FitReport:
    started = perf_counter()
    progress("encoder", 0, 1)
    encoder = options.encoder or StaticEncoder.pretrained()
    progress("encoder", 1, 1)
    training = _encode(labelled, taxonomy, encoder, progress)
    folds = assign_folds(labelled.products, options.folds, options.seed)
    candidates, order = out_of_fold_candidates(training, folds, progress)
    acceptable = acceptable_labels(labelled)
    seen = OutOfFold(candidates, labelled.labels[order], folds[order], tuple(acceptable[row] for row in order))
    ranking = fit_ranking(seen, taxonomy, options.ranking, progress)
    progress("signals, on all products", 0, 1)
    recall = Recall(encoder, fit_signals(training), training.reference)
    progress("signals, on all products", 1, 1)
    metrics = {
        "products": len(labelled.products),
        "products_without_label": labelled.unlabelled,
        "products_of_unknown_category": labelled.unknown,
        "categories_with_products": len(np.unique(labelled.labels)),
        "out_of_fold": measure(seen),
        "seconds": round(perf_counter() - started, 1),
    }
    manifest = save_bundle(out, recall, ranking, Provenance(metrics, labelled.products))
    return FitReport(manifest, metrics)


def _encode(labelled: LabelledProducts, taxonomy: Taxonomy, encoder: Encoder, progress: Progress) -> TrainingSet:
    products = labelled.products
    batches = []
    for start in range(0, len(products), _ENCODED_AT_ONCE):
        progress("encoding", start, len(products))
        chunk = products[start : start + _ENCODED_AT_ONCE]
        batches.append(encode_products(encoder, chunk, NoStatistics()))
    progress("encoding", len(products), len(products))
    empty = np.empty((0, encoder.dimensions), np.float32)
    batch = Batch(
        products,
        np.concatenate([empty, *(each.vectors for each in batches)]),
        np.concatenate([empty, *(each.described for each in batches)]),
    )
    return TrainingSet.of(batch, labelled.labels, taxonomy, _encode_categories(taxonomy, encoder))


def _encode_categories(taxonomy: Taxonomy, encoder: Encoder) -> NDArray[np.float32]:
    """Return the middle between the vector of each node's name and that of its whole path, float32 (nodes, d)."""
    names, paths = category_texts(taxonomy)
    middle = encoder.encode(names) + encoder.encode(paths)
    norms = np.linalg.norm(middle, axis=1, keepdims=True)
    return np.divide(middle, norms, out=np.zeros_like(middle), where=norms > 0)
