"""Figures by category: macro-F1, the table of categories, and which categories are confused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from workers.arrays.segments import find
from workers.evaluation.numbers import number, ratio
from workers.evaluation.outcomes import ProductOutcomes
from workers.evaluation.per_product import ProductFacts


def macro_f1(outcomes: ProductOutcomes, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the mean F1 of the likeliest category over the categories that at least one product truly has.

    A category that is predicted but that no product has does not lower the mean (the error already counts against
    the products' own categories); scikit-learn by default includes it as 0. ``weights`` float64 (draws, n) are of
    the products, 1 each by default. Returns float64 (draws,).
    """
    weights = np.ones((1, len(outcomes))) if weights is None else weights
    labels, predicted = outcomes.labels, outcomes.ranked[:, 0]
    nodes, category = np.unique(labels, return_inverse=True)
    index, known = find(nodes, predicted)
    true = _sums(category, np.ones(len(labels), np.bool_), weights, len(nodes))
    said = _sums(index, known, weights, len(nodes))
    right = _sums(category, labels == predicted, weights, len(nodes))
    f1 = 2.0 * right / np.maximum(true + said, 1.0)
    mean: NDArray[np.float64] = (f1 * (true > 0)).sum(axis=1) / (true > 0).sum(axis=1)
    return mean


def _sums(
    category: NDArray[np.intp], counted: NDArray[np.bool_], weights: NDArray[np.float64], categories: int
) -> NDArray[np.float64]:
    """Return the total weight of the counted products of each category, float64 (draws, categories)."""
    rows = np.flatnonzero(counted)
    indicator = csr_array((np.ones(len(rows)), (category[rows], rows)), shape=(categories, len(category)))
    return np.asarray((indicator @ weights.T).T, np.float64)


def by_category(
    outcomes: ProductOutcomes, facts: ProductFacts, in_training: NDArray[np.int64] | None = None
) -> list[dict[str, Any]]:
    """Return a row for each category that a product truly has, those with the most errors first.

    ``n`` products have the category, and for ``predicted`` products it is the likeliest. ``coverage`` and
    ``assigned`` are about the n products, ``precision_assigned`` about those assigned to the category, whatever
    their label. ``in_training`` int64 (nodes,) counts the products that the model was fitted on; ``None`` if that
    is not known.
    """
    size = len(outcomes.taxonomy)
    labels, first = outcomes.labels, outcomes.ranked[:, 0]
    true = np.bincount(labels, minlength=size)
    said = np.bincount(first[first >= 0], minlength=size)
    right = np.bincount(labels[facts.exact], minlength=size)
    covered = np.bincount(labels[facts.assigned], minlength=size)
    given = np.bincount(outcomes.decided[facts.assigned], minlength=size)
    given_right = np.bincount(labels[facts.assigned_right], minlength=size)
    nodes = np.flatnonzero(true)
    nodes = nodes[np.lexsort((nodes, -true[nodes], (right - true)[nodes]))]
    return [
        {
            "id": outcomes.taxonomy.ids[node],
            "path": outcomes.taxonomy.path_text(node),
            "n": int(true[node]),
            "in_training": None if in_training is None else int(in_training[node]),
            "predicted": int(said[node]),
            "errors": int(true[node] - right[node]),
            "recall": ratio(right[node], true[node]),
            "precision": ratio(right[node], said[node]),
            "f1": ratio(2 * right[node], true[node] + said[node]),
            "assigned": int(covered[node]),
            "coverage": ratio(covered[node], true[node]),
            "precision_assigned": ratio(given_right[node], given[node]),
        }
        for node in nodes.tolist()
    ]


def confusions(outcomes: ProductOutcomes, most: int | None = None) -> list[dict[str, Any]]:
    """Return (true, predicted) pairs of categories, most frequent first; ``share_of_errors`` sums to 1 over all.

    ``assigned`` of a pair's products were assigned so, and for ``acceptable`` of them the prediction is leniently
    right. ``rows`` are the row numbers of the first products, at most 3, to show as examples. The predicted
    category is null if none was proposed.
    """
    pairs: Counter[tuple[int, int]] = Counter()
    rows: dict[tuple[int, int], list[int]] = {}
    wrong = np.flatnonzero(outcomes.ranked[:, 0] != outcomes.labels)
    for row in wrong.tolist():
        pair = (int(outcomes.labels[row]), int(outcomes.ranked[row, 0]))
        pairs[pair] += 1
        rows.setdefault(pair, []).append(row)
    paths = outcomes.taxonomy.path_text
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:most]
    return [
        {
            "true": paths(true),
            "predicted": None if predicted < 0 else paths(predicted),
            "count": count,
            "share_of_errors": number(count / len(wrong)),
            "assigned": sum(int(outcomes.decided[row]) == predicted >= 0 for row in rows[true, predicted]),
            "acceptable": sum(predicted in outcomes.acceptable[row] for row in rows[true, predicted]),
            "rows": rows[true, predicted][:3],
        }
        for (true, predicted), count in ranked
    ]
