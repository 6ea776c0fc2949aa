"""The most common category of brand and merchant category, else merchant category, brand, or all products."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from tests.benchmarks.quality.baselines.base import Baseline, Rows, Score, by_product
from tests.benchmarks.quality.ranked import KEPT, Ranked, empty
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.vectors import VectorCache
from workers.text.tokens import words

# Weight of the overall shares: a brand with one product is no evidence that it has only one category.
_PRIOR: Final = 1.0


def _keys(product: Product) -> tuple[Any, ...]:
    brand = " ".join(words(product.brand or ""))
    text = " ".join(words(product.merchant_category or ""))
    both = ("both", brand, text) if brand and text else None
    return both, ("text", text) if text else None, ("brand", brand) if brand else None, ("all",)


def _prepare(problem: Problem, _: VectorCache | None) -> tuple[Rows, Rows]:
    return by_product(problem, _keys)


def _fit(rows: Rows, labels: NDArray[np.int32]) -> Score:
    counts: defaultdict[Any, Counter[int]] = defaultdict(Counter)
    for keys, label in zip(rows, labels.tolist(), strict=True):
        for key in keys:
            if key is not None:
                counts[key][label] += 1
    # The shares of categories over all products; they smooth the counts of each key.
    overall = {label: count / len(labels) for label, count in counts["all",].items()}

    def score(part: Rows) -> Ranked:
        ranked = empty(len(part))
        for row, keys in enumerate(part):
            of_key = counts[next(key for key in keys if key is not None and (key in counts or key == ("all",)))]
            total = of_key.total() + _PRIOR
            share = {label: (of_key[label] + _PRIOR * overall[label]) / total for label in of_key}
            best = sorted(share.items(), key=lambda item: (-item[1], item[0]))[:KEPT]
            for place, (label, value) in enumerate(best):
                ranked.categories[row, place], ranked.scores[row, place] = label, np.log(value)
        return ranked

    return score


MAJORITY: Final = Baseline("majority", _prepare, _fit, {"version": 2})
