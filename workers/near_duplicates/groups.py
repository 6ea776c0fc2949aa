"""Group near-duplicate texts, and find the most similar text in another collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from workers.near_duplicates.join import Join, Pairs
from workers.near_duplicates.word_sets import Ints, WordSets

THRESHOLD: Final = 0.8
MAX_GROUP: Final = 200
_MOST_EDGES: Final = 2_000_000


def near_duplicate_groups(texts: Sequence[str], threshold: float = THRESHOLD, max_group: int = MAX_GROUP) -> Ints:
    """Return each text's group, int64 (n,), numbered in order of appearance.

    Groups are the connected components of texts whose similarity is at least ``threshold``. Boilerplate ("Shirt
    red M", "Shirt red L", ...) may chain thousands of texts. A component of more than ``max_group`` texts is
    therefore cut at the lowest similarity above the threshold that leaves parts of at most that size (a cut of the
    single-linkage dendrogram), and small parts of one cut are gathered into groups of up to that size. Texts with
    the same words stay in one group, however many they are. The partition does not depend on the order of the
    texts. If nothing has to be cut, a higher threshold only divides groups further. The result is exact as long as
    none of a text's rarest words is shared by more than 300 other texts of similar length; beyond that, a text is
    compared with 300 of them. Raises :class:`ValueError` if the threshold is outside (0, 1].
    """
    _check(threshold)
    sets = WordSets.of(texts)
    distinct, copy_of = _distinct(sets)
    weights = np.bincount(copy_of, minlength=len(distinct))
    forest = _spanning_forest(distinct, threshold)
    groups = _cut(forest, weights, max_group)[copy_of]
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def most_similar(
    texts: WordSets, queries: WordSets, threshold: float = THRESHOLD
) -> tuple[Ints, NDArray[np.float64]]:
    """Find the most similar of n texts for each of m queries: index, int64 (m,), and similarity, float64 (m,).

    They are -1 and 0 if no text has a similarity of at least ``threshold``. Of equally similar texts the first is
    returned. A text without words is similar to none. Exact like :func:`near_duplicate_groups`, with 10,000 in
    place of 300.
    """
    _check(threshold)
    found, similarity = np.full(len(queries), -1, np.int64), np.zeros(len(queries))
    for pairs in Join(queries, texts, threshold, itself=False).pairs():
        left, right, value = _best_of_each(pairs)
        better = (value > similarity[left]) | ((value == similarity[left]) & (right < found[left]))
        found[left[better]], similarity[left[better]] = right[better], value[better]
    return found, similarity


def _best_of_each(pairs: Pairs) -> Pairs:
    left, right, value = pairs
    order = np.lexsort((right, -value, left))
    best = order[np.flatnonzero(np.diff(left[order], prepend=-1))]
    return left[best], right[best], value[best]


def _check(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"a similarity threshold of {threshold}; name one above 0 and at most 1")


def _distinct(sets: WordSets) -> tuple[WordSets, Ints]:
    """Return the distinct sets, ordered by content alone, and the index of each text's set, int64 (n,)."""
    keys = [(len(sets.row(text)), sets.row(text).astype(">u8").tobytes()) for text in range(len(sets))]
    first = {key: text for text, key in reversed(list(enumerate(keys)))}
    ordered = sorted(first)
    index_of = {key: index for index, key in enumerate(ordered)}
    return sets.take([first[key] for key in ordered]), np.array([index_of[key] for key in keys], np.int64)


def _spanning_forest(sets: WordSets, threshold: float) -> Pairs:
    """Return the edges of a forest with the same connected components as all similar pairs, at every similarity.

    Memory is bounded: whenever enough pairs have gathered, they are reduced to their maximum spanning forest.
    """
    kept: list[Pairs] = []
    for pairs in Join(sets, sets, threshold, itself=True).pairs():
        kept.append(pairs)
        if sum(len(part[0]) for part in kept) > _MOST_EDGES:
            kept = [_reduced(kept, len(sets))]
    return _reduced(kept, len(sets))


def _reduced(parts: list[Pairs], count: int) -> Pairs:
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    left, right, similarity = (np.concatenate(part) for part in zip(*parts, strict=True))
    _, once = np.unique(left * count + right, return_index=True)
    left, right, similarity = left[once], right[once], similarity[once]
    # The library treats a weight of zero as no edge; distances here are from 1 to 2.
    tree = minimum_spanning_tree(coo_array((2 - similarity, (left, right)), shape=(count, count)).tocsr()).tocoo()
    return tree.row.astype(np.int64), tree.col.astype(np.int64), 2 - tree.data


def _cut(forest: Pairs, weights: Ints, max_group: int) -> Ints:
    """Return groups, int64 (n,): the forest's components, those over ``max_group`` divided until they fit."""
    left, right, similarity = forest
    # Rounded because equal similarities may differ after the conversion to a distance and back.
    edges = left, right, np.round(similarity, 9)
    groups, found = np.empty(len(weights), np.int64), count()
    waiting = _components(np.arange(len(weights)), edges)
    while waiting:
        members, inside = waiting.pop()
        if weights[members].sum() <= max_group or not len(inside[0]):
            groups[members] = next(found)
            continue
        left, right, level = inside
        stronger = level > level.min()
        small: list[Ints] = []
        for part in _components(members, (left[stronger], right[stronger], level[stronger])):
            if weights[part[0]].sum() > max_group:
                waiting.append(part)
            else:
                small.append(part[0])
        for gathered in _gathered(small, weights, max_group):
            groups[gathered] = next(found)
    return groups


def _gathered(parts: Sequence[Ints], weights: Ints, max_group: int) -> Iterator[Ints]:
    """Yield the parts of one cut, in the order of the texts, together up to ``max_group``.

    Thousands of texts that are all equally similar would otherwise count as thousands that have nothing in common.
    """
    together: list[Ints] = []
    total = 0
    for part in parts:
        size = int(weights[part].sum())
        if together and total + size > max_group:
            yield np.concatenate(together)
            together, total = [], 0
        together.append(part)
        total += size
    if together:
        yield np.concatenate(together)


def _components(members: Ints, edges: Pairs) -> list[tuple[Ints, Pairs]]:
    """Return the connected components of some of the texts, each with its edges, ordered by their first texts."""
    left, right, _ = edges
    node = np.searchsorted(members, left), np.searchsorted(members, right)
    graph = coo_array((np.ones(len(left)), node), shape=(len(members), len(members)))
    number, component = connected_components(graph, directed=False)
    of_edge = component[node[0]]
    order, edge_order = np.argsort(component, kind="stable"), np.argsort(of_edge, kind="stable")
    ends = np.cumsum(np.bincount(component, minlength=number))[:-1]
    edge_ends = np.cumsum(np.bincount(of_edge, minlength=number))[:-1]
    sides = [np.split(side[edge_order], edge_ends) for side in edges]
    return list(zip(np.split(members[order], ends), zip(*sides, strict=True), strict=True))
