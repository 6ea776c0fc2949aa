"""Fit a model bundle from labelled products."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import Manifest
from schemas.taxonomy.tree import Taxonomy
from workers.arrays.nearest import unit_rows
from workers.bundle.bundle import Provenance, save_bundle
from workers.bundle.destination import check_destination
from workers.encoders.base import Encoder
from workers.encoders.static import StaticEncoder
from workers.fit.cross_fit import CrossFitted, Encoded, FittedSignals, HeldOutCandidates, cross_fit, fit_signals
from workers.fit.fit_ranking import RankingData, RankingOptions, fit_ranking
from workers.fit.folds import assign_folds
from workers.fit.held_out_stores import OfNewStores, hold_out_stores, names_stores
from workers.fit.labels import LabelledProducts, ids_with_several_labels
from workers.fit.namesakes import namesakes
from workers.fit.out_of_fold import OutOfFold
from workers.fit.out_of_fold_metrics import measure_recall
from workers.near_duplicates import near_duplicate_groups
from workers.progress import Progress, silent
from workers.recall.batch import Batch
from workers.recall.cascade import Cascade, unasked
from workers.recall.encode import encode_products
from workers.recall.recall import Recall
from workers.signals.base import TrainingSet
from workers.statistics import NoStatistics
from workers.text.product_text import category_texts

_ENCODED_AT_ONCE: Final = 512
# With fewer products, none are held out, and the ranker learns only from the names of the categories.
_FEWEST_TO_HOLD_OUT: Final = 10


@dataclass(frozen=True, slots=True)
class CascadeOptions:
    """A sentence encoder, and the ``share`` of products that it should be asked about, from 0 to 1."""

    encoder: Encoder
    share: float = 0.3


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit; ``encoder`` defaults to the static one, ``folds`` is at least 2."""

    encoder: Encoder | None = None
    cascade: CascadeOptions | None = None
    folds: int = 5
    ranking: RankingOptions = field(default_factory=RankingOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FitReport:
    """What was made, and how good it is on products that it was not fitted on."""

    manifest: Manifest
    metrics: dict[str, Any]


def fit(
    labelled: LabelledProducts,
    taxonomy: Taxonomy,
    out: Path,
    options: FitOptions | None = None,
    progress: Progress = silent,
) -> FitReport:
    """Fit every part and write the bundle to ``out``.

    Any number of labels is enough: the ranker also learns from the names of the categories, and products that the
    model does not know enough about go to review. A label may name a node that the tree does not list, which is
    then a category like the others. Raises :class:`schemas.errors.InvalidBundle` immediately if no bundle can be
    written to ``out``.
    """
    check_destination(out)
    options = options or FitOptions()
    taxonomy = taxonomy.with_listed(labelled.labels.tolist())
    started = perf_counter()
    progress("encoder", 0, 1)
    encoder = options.encoder or StaticEncoder.pretrained()
    progress("encoder", 1, 1)
    training = Encoded(
        encode_labelled(labelled, taxonomy, encoder, progress),
        encode_labelled(labelled, taxonomy, options.cascade.encoder, progress) if options.cascade else None,
    )
    recall, out_of_fold, of_new_stores = _cross_fit(labelled, training, encoder, options, progress)
    data = RankingData(
        out_of_fold,
        namesake_candidates(recall, taxonomy, options.seed),
        names_stores(labelled.products),
        of_new_stores,
    )
    ranking, decisions = fit_ranking(data, taxonomy, options.ranking, progress)
    of_category = np.unique_counts(labelled.labels).counts
    metrics = {
        "products": len(labelled.products),
        "products_without_label": labelled.unlabelled,
        "products_of_unknown_category": labelled.unknown,
        "categories_with_products": len(of_category),
        "products_alone_in_category": int(np.count_nonzero(of_category == 1)),
        "product_ids_with_several_labels": len(ids_with_several_labels(labelled)),
        "out_of_fold": measure_recall(out_of_fold) | decisions,
    }
    manifest = save_bundle(out, recall, ranking, Provenance(metrics, labelled.products))
    # The time taken is not in the bundle, because equal models have equal versions.
    return FitReport(manifest, metrics | {"seconds": round(perf_counter() - started, 1)})


def _cross_fit(
    labelled: LabelledProducts, training: Encoded, encoder: Encoder, options: FitOptions, progress: Progress
) -> tuple[Recall, OutOfFold, list[OfNewStores]]:
    if len(labelled.products) < _FEWEST_TO_HOLD_OUT:
        recall = _recall(encoder, fit_signals(training), options.cascade, np.inf)
        none = recall.candidates([], NoStatistics())
        nobody = np.empty(0, np.int64)
        return recall, OutOfFold(none, np.empty(0, np.int32), nobody, (), nobody), []
    folds = assign_folds(labelled.products, options.folds, options.seed)
    groups = near_duplicate_groups([product.title for product in labelled.products])
    turns = hold_out_stores(labelled.products)
    found = cross_fit(training, folds, turns, progress)
    sure_lead = _sure_lead(found, options.cascade)
    recall = _recall(encoder, found.fitted, options.cascade, sure_lead)

    def of(asked: HeldOutCandidates, order: NDArray[np.intp]) -> OutOfFold:
        candidates = unasked(asked.candidates, asked.leads >= sure_lead)
        return OutOfFold.of(labelled, candidates, order, folds=folds, groups=groups)

    of_new_stores = [
        OfNewStores(of(asked, turn.asked), turn.known[found.order], turn.stores)
        for asked, turn in zip(found.by_stores, turns, strict=True)
    ]
    return recall, of(found.by_folds, found.order), of_new_stores


def _sure_lead(found: CrossFitted, options: CascadeOptions | None) -> float:
    """Return the lead below which the share of products lies that the cascade should be asked about."""
    if options is None or options.share >= 1:
        return np.inf
    return float(np.quantile(found.by_folds.leads, options.share))


def _recall(encoder: Encoder, fitted: FittedSignals, options: CascadeOptions | None, sure_lead: float) -> Recall:
    cascade = None
    if options is not None and fitted.sentences is not None:
        sentences = fitted.sentences
        cascade = Cascade(options.encoder, tuple(sentences.signals), sentences.reference, sure_lead)
    return Recall(encoder, fitted.signals, fitted.reference, cascade)


def namesake_candidates(recall: Recall, taxonomy: Taxonomy, seed: int) -> OutOfFold:
    """Return what the signals say about the names of categories."""
    products, labels = namesakes(taxonomy, seed)
    unseen = np.full(len(labels), -1, np.int64)
    acceptable = tuple(frozenset([label]) for label in labels.tolist())
    candidates = recall.candidates(products, NoStatistics())
    return OutOfFold(candidates, labels, unseen, acceptable, np.arange(len(labels)))


def encode_labelled(
    labelled: LabelledProducts, taxonomy: Taxonomy, encoder: Encoder, progress: Progress
) -> TrainingSet:
    """Encode the products and the categories."""
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
        np.concatenate([empty, *(each.branded for each in batches)]),
        np.concatenate([empty, *(each.described for each in batches)]),
    )
    return TrainingSet(batch, labelled.labels, taxonomy, _encode_categories(taxonomy, encoder))


def _encode_categories(taxonomy: Taxonomy, encoder: Encoder) -> NDArray[np.float32]:
    """Return the mean direction of the vectors of each node's name and of its whole path, float32 (nodes, d)."""
    names, paths = category_texts(taxonomy)
    return unit_rows(encoder.encode(names) + encoder.encode(paths))
