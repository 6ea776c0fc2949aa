"""Decisions on products by parts of the model that had not seen them, together with the right answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.design_effect import design_effect
from workers.fit.out_of_fold import OutOfFold
from workers.ranking.error_budget import NEVER
from workers.ranking.labelled import Labelled
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.new_stores import NewStores
from workers.ranking.policy import Decided, Policy


@dataclass(frozen=True, slots=True)
class Accepted:
    """Which of n products are ``accepted``, whether the decision is ``right``, and how ``likely`` that was.

    They are bool (n,), bool (n,) and float64 (n,). A back-off is right if its category is an ancestor of the
    label. ``groups`` int64 (n,) are groups of near-duplicates.
    """

    accepted: NDArray[np.bool_]
    right: NDArray[np.bool_]
    likely: NDArray[np.float64]
    groups: NDArray[np.int64]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which products are accepted although the decision is wrong: bool (n,)."""
        return self.accepted & ~self.right

    @property
    def design_effect(self) -> float:
        """The factor by which the accepted decisions count for fewer independent ones, at least 1."""
        return design_effect(self.groups[self.accepted], (self.likely - self.right)[self.accepted])


@dataclass(frozen=True, slots=True)
class OutOfFoldDecisions:
    """Decisions on n products, and what is right.

    Attributes:
        top: the likeliest candidates; their rows are meaningless once several parts are concatenated.
        levels: the likeliest nodes above these.
        truth: int32 (n, depths), the ancestors of the labels, -1 below a label's own depth.
        roots: int32 (n,), the top-level categories of the likeliest candidates.
        folds: int64 (n,), the fold of each product.
        labelled: how many labelled products of their stores and brands the signals learned from.
        groups: int64 (n,), numbered from 0, equal for near-duplicates.
    """

    top: TopCandidates
    levels: AncestorLevels
    truth: NDArray[np.int32]
    roots: NDArray[np.int32]
    folds: NDArray[np.int64]
    labelled: Labelled
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, asked: OutOfFold, probability: NDArray[np.float64], taxonomy: Taxonomy) -> Self:
        """Return the decisions on products whose candidates are right with this ``probability``, float64 (m,)."""
        top = TopCandidates.of(asked.candidates, probability)
        return cls(
            top,
            AncestorLevels.of(asked.candidates, probability, taxonomy.ancestor_matrix).above(top.category),
            taxonomy.ancestor_matrix[asked.labels],
            taxonomy.ancestor_matrix[top.category, 0],
            asked.folds,
            Labelled.of(asked.candidates),
            asked.groups,
        )

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the likeliest candidate is the label: bool (n,)."""
        deepest = (self.truth >= 0).sum(axis=1) - 1
        return self.top.category == self.truth[np.arange(len(self.truth)), deepest]

    def take(self, chosen: NDArray[np.bool_]) -> OutOfFoldDecisions:
        """Return the decisions on the ``chosen`` products, bool (n,)."""
        return OutOfFoldDecisions(
            TopCandidates(self.top.row[chosen], self.top.category[chosen], self.top.probability[chosen]),
            AncestorLevels(self.levels.category[chosen], self.levels.probability[chosen]),
            self.truth[chosen],
            self.roots[chosen],
            self.folds[chosen],
            self.labelled.take(chosen),
            self.groups[chosen],
        )

    def with_new_stores_fixed(self, new_stores: NewStores) -> OutOfFoldDecisions:
        """Return the decisions with those on products of new stores fixed: their probabilities become 1 or 0."""
        new = new_stores.covers(self.labelled)
        there = Policy(new_stores.assign, new_stores.back_off)
        assigned = there.assigns(self.top, self.roots, self.labelled)
        backed_off = np.arange(self.levels.probability.shape[1]) <= there.level(self.levels)[:, None]
        return replace(
            self,
            top=replace(self.top, probability=np.where(new, assigned, self.top.probability)),
            levels=replace(self.levels, probability=np.where(new[:, None], backed_off, self.levels.probability)),
        )

    def decided(self, policy: Policy) -> Decided:
        """Return what a policy decides for the products."""
        return policy.decide(self.top, self.levels, self.roots, self.labelled)

    def assigned(self, policy: Policy) -> NDArray[np.bool_]:
        """Return which products a policy assigns, bool (n,), ignoring its thresholds for new stores."""
        return policy.assigns(self.top, self.roots, self.labelled)

    def accepted(self, assigned: NDArray[np.bool_], back_off: float) -> Accepted:
        """Return what is accepted: the ``assigned`` products, bool (n,), and those backed off at a threshold."""
        level = np.where(assigned, -1, Policy(NEVER, back_off).level(self.levels))
        product = np.arange(len(level))
        right = np.where(assigned, self.right, self.levels.category[product, level] == self.truth[product, level])
        likely = np.where(assigned, self.top.probability, self.levels.probability[product, level])
        return Accepted(assigned | (level >= 0), right, likely, self.groups)

    def by_fold(self) -> Iterator[NDArray[np.bool_]]:
        """Yield which products are in each fold, bool (n,)."""
        for fold in np.unique(self.folds):
            yield self.folds == fold


def concatenate(parts: Sequence[OutOfFoldDecisions]) -> OutOfFoldDecisions:
    """Concatenate the decisions of one or more parts."""
    return OutOfFoldDecisions(
        TopCandidates(**_concatenated([part.top for part in parts], TopCandidates)),
        AncestorLevels(**_concatenated([part.levels for part in parts], AncestorLevels)),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.roots for part in parts]),
        np.concatenate([part.folds for part in parts]),
        Labelled(*(np.concatenate(each) for each in zip(*(part.labelled for part in parts), strict=True))),
        np.concatenate([part.groups for part in parts]),
    )


def _concatenated(parts: Sequence[Any], kind: type[Any]) -> dict[str, NDArray[Any]]:
    return {each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(kind)}
