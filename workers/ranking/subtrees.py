"""Cut trees into small subtrees, and compute what each way through a subtree adds to the features' contributions.

A *way* is one combination of outcomes (left or right) of the splits that decide in a subtree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import factorial, prod
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tree: TypeAlias = dict[str, Any]
"""A tree as in XGBoost's JSON model: lists indexed by node; the root is node 0."""

# The most splits that decide in a subtree: its own and those on the path to it. Each one doubles the lines of its
# table.
_MOST_SPLITS: Final = 7
_LEAVES_AT_ONCE: Final = 2_048


class Split(NamedTuple):
    """A split; a row goes left if its ``feature`` is less than ``threshold``, or is NaN and ``missing_left``."""

    feature: int
    threshold: float
    missing_left: bool


class _Step(NamedTuple):
    """One side of a split: the split's number, the side, and its share of the split's cover."""

    split: int
    left: bool
    feature: int
    share: float


class _Leaf(NamedTuple):
    """A leaf of a subtree, and the steps that lead to it from the root, grouped by feature."""

    subtree: int
    value: float
    steps: dict[int, list[_Step]]


@dataclass(slots=True)
class Subtrees:
    """The subtrees of some trees, each as large as the limit on the splits that decide in it allows.

    ``splits`` are the splits of all trees. For each subtree, ``deciding_splits`` has the numbers of the splits
    that decide in it (its own and those on the path from the root), and ``columns`` has the features that it
    contributes to.
    """

    trees: Sequence[Tree]
    splits: list[Split] = field(default_factory=list)
    deciding_splits: list[list[int]] = field(default_factory=list)
    columns: list[list[int]] = field(default_factory=list)
    _leaves: list[_Leaf] = field(default_factory=list)

    def __post_init__(self) -> None:
        for tree in self.trees:
            self._cut(tree, 0, ())

    @property
    def bias(self) -> float:
        """The cover-weighted mean of the sum of all trees."""
        return sum(leaf.value * prod(step.share for step in _all(leaf)) for leaf in self._leaves)

    def table(self) -> NDArray[np.float64]:
        """Return what each way through each subtree adds to its columns: float64 (subtrees, columns, ways).

        Bit i of a way, counted from the lowest, is set if it goes left at the i-th of the ``deciding_splits``. If
        a subtree has fewer of them, the remaining bits make no difference.
        """
        bits = max(map(len, self.deciding_splits), default=0)
        table = np.zeros((len(self.columns), max([1, *map(len, self.columns)]), 1 << bits))
        by_features: defaultdict[int, list[_Leaf]] = defaultdict(list)
        for leaf in self._leaves:
            by_features[len(leaf.steps)].append(leaf)
        by_features.pop(0, None)  # a tree with a single leaf only adds to the bias
        for leaves in by_features.values():
            for first in range(0, len(leaves), _LEAVES_AT_ONCE):
                self._add(table, leaves[first : first + _LEAVES_AT_ONCE])
        return table

    def _cut(self, tree: Tree, node: int, path: tuple[_Step, ...]) -> None:
        below = _splits_below(tree, node)
        if below > 1 and len(path) + below > _MOST_SPLITS:
            for child, step in self._steps(tree, node):
                self._cut(tree, child, (*path, step))
            return
        leaves = list(self._below(tree, node, path))
        self.deciding_splits.append(list(dict.fromkeys(step.split for leaf in leaves for step in _all(leaf))))
        self.columns.append(list(dict.fromkeys(feature for leaf in leaves for feature in leaf.steps)))
        self._leaves += leaves

    def _below(self, tree: Tree, node: int, path: tuple[_Step, ...]) -> Iterator[_Leaf]:
        if not _is_leaf(tree, node):
            for child, step in self._steps(tree, node):
                yield from self._below(tree, child, (*path, step))
            return
        steps: defaultdict[int, list[_Step]] = defaultdict(list)
        for step in path:
            steps[step.feature].append(step)
        yield _Leaf(len(self.deciding_splits), tree["split_conditions"][node], dict(steps))

    def _steps(self, tree: Tree, node: int) -> Iterator[tuple[int, _Step]]:
        number, feature, cover = len(self.splits), tree["split_indices"][node], tree["sum_hessian"]
        self.splits.append(Split(feature, tree["split_conditions"][node], bool(tree["default_left"][node])))
        for side, left in (("left_children", True), ("right_children", False)):
            child = tree[side][node]
            yield child, _Step(number, left, feature, cover[child] / cover[node])

    def _add(self, table: NDArray[np.float64], leaves: Sequence[_Leaf]) -> None:
        """Add the contributions of leaves that all have the same number of features."""
        subtrees = np.array([leaf.subtree for leaf in leaves])
        value = np.array([leaf.value for leaf in leaves])
        share = np.array([[prod(step.share for step in own) for own in leaf.steps.values()] for leaf in leaves])
        passed = np.stack([self._passed(leaf, table.shape[2]) for leaf in leaves])
        column = np.array(
            [[self.columns[leaf.subtree].index(feature) for feature in leaf.steps] for leaf in leaves]
        )
        for feature in range(share.shape[1]):
            added = value[:, None] * shapley(passed, share, feature)
            np.add.at(table, (subtrees, column[:, feature]), added)

    def _passed(self, leaf: _Leaf, ways: int) -> NDArray[np.bool_]:
        """Return which ways take all steps on each of the leaf's features: bool (features, ways)."""
        way = np.arange(ways)
        passed = np.ones((len(leaf.steps), ways), np.bool_)
        for feature, steps in enumerate(leaf.steps.values()):
            for step in steps:
                passed[feature] &= ((way >> self.deciding_splits[leaf.subtree].index(step.split)) & 1) == step.left
        return passed


def shapley(passed: NDArray[np.bool_], share: NDArray[np.float64], feature: int) -> NDArray[np.float64]:
    """Return the Shapley value of one of f features in n leaves of value 1: float64 (n, ways).

    ``passed``, bool (n, f, ways), says whether a feature leads to the leaf if its value is known. ``share``,
    float64 (n, f), is the probability that it does if its value is unknown. The method multiplies polynomials in
    the number of known features: Lundberg et al. (2018), "Consistent individualized feature attribution for tree
    ensembles".
    """
    n, features, ways = passed.shape
    by_known = np.ones((1, n, ways))
    for other in (other for other in range(features) if other != feature):
        known = np.zeros((len(by_known) + 1, n, ways))
        known[:-1] = by_known * share[:, other, None]
        known[1:] += by_known * passed[:, other]
        by_known = known
    weights = [
        factorial(known) * factorial(features - 1 - known) / factorial(features) for known in range(features)
    ]
    return (passed[:, feature] - share[:, feature, None]) * np.tensordot(weights, by_known, 1)


def _all(leaf: _Leaf) -> Iterator[_Step]:
    return (step for steps in leaf.steps.values() for step in steps)


def _is_leaf(tree: Tree, node: int) -> bool:
    return bool(tree["left_children"][node] < 0)


def _splits_below(tree: Tree, node: int) -> int:
    if _is_leaf(tree, node):
        return 0
    return 1 + sum(_splits_below(tree, tree[side][node]) for side in ("left_children", "right_children"))
