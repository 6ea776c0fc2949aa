"""The features of the ranker: one matrix for all candidates of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.arrays import segments
from workers.arrays.pairs import pair_keys
from workers.ranking.track_record import TrackRecord
from workers.recall.candidates import Candidates
from workers.signals.live_counts import LABELLED

AGREEMENT: Final = "agreement"
CATEGORY: Final = "category"

_Named = tuple[str, str, int]
"""A feature's name, its source, and whether it is monotone (1) or not (0)."""

_AGREEMENT: Final[tuple[_Named, ...]] = (
    (AGREEMENT + "_named", AGREEMENT, 1),
    (AGREEMENT + "_first", AGREEMENT, 1),
    (AGREEMENT + "_support", AGREEMENT, 1),
    (AGREEMENT + "_support_of_parent", AGREEMENT, 0),
    (AGREEMENT + "_support_of_root", AGREEMENT, 0),
    (AGREEMENT + "_log_share_of_earlier", AGREEMENT, 0),
    (AGREEMENT + "_log_earlier_products", AGREEMENT, 0),
)
_CATEGORY: Final[tuple[_Named, ...]] = (
    (CATEGORY + "_log_prior", CATEGORY, 0),
    (CATEGORY + "_depth", CATEGORY, 0),
    (CATEGORY + "_is_leaf", CATEGORY, 0),
)


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """The features of m candidates.

    Attributes:
        values: float32 (m, f), NaN if unknown.
        names: the names of the f features.
        sources: for each feature, the signal it comes from, or ``agreement`` or ``category``.
        monotone: for each feature, 1 if a greater value may only raise the ranker's sum, and its trees, else 0.
        ranks: int64 (m, signals), the rank that each signal gave the candidate, 0 if it gave none.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    monotone: tuple[int, ...]
    ranks: NDArray[np.int64]


class FeatureBuilder:
    """Builds the features of candidates; ``record`` has the statistics of labelled products."""

    def __init__(self, taxonomy: Taxonomy, record: TrackRecord) -> None:
        self.record = record
        self._log_priors = np.log(record.priors + 1e-6).astype(np.float32)
        self._depths = taxonomy.depths.astype(np.float32)
        self._leaves = taxonomy.is_leaf.astype(np.float32)
        self._parents = taxonomy.parents
        self._roots = taxonomy.ancestor_matrix[:, 0]

    @classmethod
    def fit(cls, taxonomy: Taxonomy, labels: NDArray[np.int32], supported: NDArray[np.int32]) -> Self:
        """Fit to labelled products: their categories, int32 (n,), and the result of :func:`most_supported`."""
        counts = np.bincount(labels, minlength=len(taxonomy)).astype(np.float32)
        return cls(taxonomy, TrackRecord.fit(supported, labels, counts / np.float32(max(len(labels), 1))))

    def build(self, candidates: Candidates) -> FeatureMatrix:
        """Return the features of every candidate; a row depends only on the candidates of its own product."""
        owner = candidates.product_of_row
        order = segments.argsort_within_groups(candidates.scores, owner)
        ranks = segments.ranks(candidates.scores, owner, order)
        leads = _leads(candidates.scores, ranks, *segments.best_two(candidates.scores, owner, order))
        reciprocal = _reciprocal(ranks)
        of_signals = np.stack([candidates.scores, leads, reciprocal], axis=2)
        parts = [
            of_signals.reshape(len(owner), 3 * len(candidates.signals)),
            self._agreement(candidates, ranks, reciprocal, owner),
            self._category(candidates),
            candidates.context[:, _feature_columns(candidates.context_names)][owner],
        ]
        names, sources, monotone = _named(candidates.signals, candidates.context_names)
        return FeatureMatrix(np.concatenate(parts, axis=1, dtype=np.float32), names, sources, monotone, ranks)

    def _agreement(
        self,
        candidates: Candidates,
        ranks: NDArray[np.int64],
        reciprocal: NDArray[np.float32],
        owner: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Return the features that ``_AGREEMENT`` names, float64 (m, 7)."""
        support = _support(reciprocal)
        parents = self._parents[candidates.categories] + 1
        above = np.concatenate([pair_keys(owner, parents), ~pair_keys(owner, self._roots[candidates.categories])])
        found = np.empty((len(owner), len(_AGREEMENT)))
        found[:, 0] = np.count_nonzero(candidates.proposed, axis=1)
        found[:, 1] = np.count_nonzero(ranks == 1, axis=1)
        found[:, 2] = support
        # The keys of parents are not negative and those of roots are, so they cannot clash.
        found[:, 3:5] = segments.total(np.concatenate([support, support]), above).reshape(2, -1).T
        supported = _most_supported(candidates, support, owner)[owner]
        found[:, 5] = self.record.log_share(supported, candidates.categories)
        found[:, 6] = self.record.log_products(supported)
        return found

    def _category(self, candidates: Candidates) -> NDArray[np.float32]:
        """Return the features that ``_CATEGORY`` names, float32 (m, 3)."""
        nodes = candidates.categories
        return np.stack([self._log_priors[nodes], self._depths[nodes], self._leaves[nodes]], axis=1)


def most_supported(candidates: Candidates) -> NDArray[np.int32]:
    """Return each product's category with the highest mean reciprocal rank: int32 (n,), -1 for none."""
    owner = candidates.product_of_row
    support = _support(_reciprocal(segments.ranks(candidates.scores, owner)))
    return _most_supported(candidates, support, owner)


def _most_supported(
    candidates: Candidates, support: NDArray[np.float64], owner: NDArray[np.int64]
) -> NDArray[np.int32]:
    found = np.full(len(candidates), -1, np.int32)
    rows = segments.first_greatest(support, segments.starts(owner))
    found[owner[rows]] = candidates.categories[rows]
    return found


def _support(reciprocal: NDArray[np.float32]) -> NDArray[np.float64]:
    return reciprocal.mean(axis=1, dtype=np.float64)


def _leads(
    scores: NDArray[np.float32], ranks: NDArray[np.int64], best: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return each score minus that of the best other candidate: float32 (m, signals), negative if it is behind."""
    rival = np.where(ranks == 1, second, best)
    return scores - np.where(np.isfinite(rival), rival, np.float32(0))


def _reciprocal(ranks: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0).astype(np.float32)


def feature_names(signals: tuple[str, ...], context_names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the features, in order, for candidates with these signals and context columns."""
    return _named(signals, context_names)[0]


@lru_cache(maxsize=8)
def _feature_columns(context_names: tuple[str, ...]) -> NDArray[np.intp]:
    """Return the indices of the context columns that are features; the others are for the policy only."""
    return np.array([column for column, name in enumerate(context_names) if not name.endswith(LABELLED)], np.intp)


@lru_cache(maxsize=8)
def _named(
    signals: tuple[str, ...], context_names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """Return the names, sources and monotonicity of all features, in order.

    Each signal has three features, and one for each of its context columns.
    """
    kinds = ("score", "lead", "reciprocal_rank")
    # Not monotone: if a signal is known to exaggerate, its high score may count against a category that others put
    # first. Monotone scores cost up to 0.7 points of accuracy out of fold, on four catalogues.
    of_signals: list[_Named] = [(f"{signal}_{kind}", signal, 0) for signal in signals for kind in kinds]
    context = [context_names[column] for column in _feature_columns(context_names)]
    of_context: list[_Named] = [(name, _signal_of(name, signals), 0) for name in context]
    names, sources, monotone = zip(*of_signals, *_AGREEMENT, *_CATEGORY, *of_context, strict=True)
    return names, sources, monotone


def _signal_of(context_name: str, signals: tuple[str, ...]) -> str:
    """Return the signal of a context column, whose name starts with that of the signal."""
    return next(signal for signal in signals if context_name.startswith(f"{signal}_"))
