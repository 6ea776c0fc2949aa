"""fastText's supervised classifier, in the maintained fork floret (Joulin et al., arXiv 1607.01759)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.quality import texts
from tests.benchmarks.quality.baselines.base import Baseline, Rows, Score, by_product, constant
from tests.benchmarks.quality.ranked import KEPT, Ranked, empty
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.vectors import VectorCache

_LABEL: Final = "__label__"
_SETTINGS: Final[dict[str, Any]] = {
    "lr": 1.0,
    "epoch": 50,
    "wordNgrams": 2,
    "dim": 100,
    "minn": 0,
    "maxn": 0,
    "bucket": 300_000,
    "loss": "softmax",
}


def _prepare(problem: Problem, _: VectorCache | None) -> tuple[Rows, Rows]:
    return by_product(problem, texts.plain_words)


def _fit(rows: Rows, labels: NDArray[np.int32]) -> Score:
    classes = np.unique(labels)
    if len(classes) == 1:
        return constant(int(classes[0]), classes)
    import floret  # not available for every Python version

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "training.txt"
        lines = (f"{_LABEL}{label} {text}\n" for label, text in zip(labels.tolist(), rows, strict=True))
        file.write_text("".join(lines), encoding="utf-8")
        model = floret.train_supervised(str(file), thread=1, seed=0, verbose=0, minCount=1, **_SETTINGS)

    def score(part: Rows) -> Ranked:
        ranked = empty(len(part))
        for row, text in enumerate(part):
            # One form of the public `predict` fails with NumPy 2, and the other repeats the first probability.
            found = model.f.predict(text + "\n", KEPT, 0.0, "strict")
            ranked.categories[row, : len(found)] = [int(name.removeprefix(_LABEL)) for _, name in found]
            ranked.scores[row, : len(found)] = np.log([max(value, 1e-12) for value, _ in found])
        return ranked

    return score


FAST_TEXT: Final = Baseline("fast_text", _prepare, _fit, {"version": 3, **_SETTINGS})
