"""What a bundle says of itself: figures on products that their part of the model was not fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.fit.fit_ranking import OutOfFold


def measure(seen: OutOfFold) -> dict[str, Any]:
    """Return recall of the union and of each signal."""
    relevant = seen.relevant
    owner = seen.candidates.product_of_row
    count = len(seen.labels)
    named = seen.candidates.named[relevant]
    return {
        "recall_of_union": round(len(np.unique(owner[relevant])) / count, 4),
        "recall_of_signal": {
            signal: round(float(named[:, place].sum()) / count, 4)
            for place, signal in enumerate(seen.candidates.signals)
        },
        "candidates_per_product": round(len(owner) / count, 1),
    }
