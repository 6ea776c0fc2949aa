"""The same figures for parts of the products: where the model is good, and where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from schemas.events.product import Product
from workers.evaluation.languages import languages
from workers.evaluation.numbers import number, ratio
from workers.evaluation.outcomes import ProductOutcomes
from workers.evaluation.per_product import ProductFacts
from workers.evaluation.training import Training
from workers.text.tokens import word_parts

SHORT_TITLE: Final = 3
_SIZES: Final = ((0, "0"), (9, "1-9"), (99, "10-99"), (999, "100-999"))


def measure_groups(facts: ProductFacts, groups: Sequence[str], order: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the figures of each group of the n products; ``groups`` names the group of each product.

    Groups in ``order`` come first, in that order, then the others, largest first. ``exact_accuracy_interval`` is
    Wilson's (1927) 95 % interval, because small groups say little.
    """
    unique, group = np.unique(np.array(groups, np.str_), return_inverse=True)
    names: list[str] = unique.tolist()
    rank = {name: index for index, name in enumerate(order)}
    sizes = np.bincount(group, minlength=len(names))
    sequence = sorted(range(len(names)), key=lambda i: (rank.get(names[i], len(rank)), -sizes[i], names[i]))
    return [_figures(facts, group == i, names[i]) for i in sequence]


def _figures(facts: ProductFacts, rows: NDArray[np.bool_], name: str) -> dict[str, Any]:
    count, exact = int(rows.sum()), int((facts.exact & rows).sum())
    assigned, usable = int((facts.assigned & rows).sum()), int((facts.usable & rows).sum())
    between = binomtest(exact, count).proportion_ci(0.95, method="wilson")
    return {
        "group": name,
        "n": count,
        "exact_accuracy": ratio(exact, count),
        "exact_accuracy_interval": [number(between.low), number(between.high)],
        "top3_accuracy": ratio(int((facts.top3 & rows).sum()), count),
        "coverage": ratio(assigned, count),
        "precision_assigned": ratio(int((facts.assigned_right & rows).sum()), assigned),
        "usable_coverage": ratio(usable, count),
        "hierarchical_precision_usable": ratio(int((facts.prefix_right & rows).sum()), usable),
    }


def slices(
    outcomes: ProductOutcomes, facts: ProductFacts, products: Sequence[Product], training: Training
) -> Mapping[str, list[dict[str, Any]] | None]:
    """Return the figures by brand, store, title length, language, and size, depth and top level of the label.

    A slice is ``None`` if the bundle does not say what it was fitted on.
    """
    brand = [training.brand(product) for product in products]
    store = [training.store(product) for product in products]
    known = ("seen", "new", "none")
    depths = outcomes.taxonomy.depths[outcomes.labels].tolist()
    top = outcomes.taxonomy.ancestor_matrix[outcomes.labels, 0].tolist()
    sizes = training.category_sizes
    return {
        "brand": None if training.brands is None else measure_groups(facts, brand, known),
        "store": None if training.stores is None else measure_groups(facts, store, known),
        "title": measure_groups(
            facts, [title_length(product.title) for product in products], ("short", "medium", "long")
        ),
        "language": measure_groups(facts, languages(products)),
        "category_size": None
        if sizes is None
        else measure_groups(facts, [_size(n) for n in sizes[outcomes.labels].tolist()], [n for _, n in _SIZES]),
        "depth": measure_groups(facts, [str(depth) for depth in depths], [str(depth) for depth in range(1, 33)]),
        "top_level": measure_groups(facts, [outcomes.taxonomy.path_text(node) for node in top]),
    }


def title_length(title: str) -> str:
    """Return whether a title is ``short``, ``medium`` or ``long``; see docs/evaluation.md."""
    count = len(word_parts(title))
    if count <= SHORT_TITLE:
        return "short"
    return "medium" if count <= 3 * SHORT_TITLE else "long"


def _size(count: int) -> str:
    return next((name for most, name in _SIZES if count <= most), "1000+")
