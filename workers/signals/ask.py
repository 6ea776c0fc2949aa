"""What signals say of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.recall.batch import Batch
from workers.signals.base import Scores, Signal

# Beyond these digits scores differ by machine and library; a decision must not hang on them.
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class SignalScores:
    """The scores of one signal, under the name that they bear from here on; likewise its context."""

    signal: str
    context_names: tuple[str, ...]
    scores: Scores


def ask(signals: Sequence[Signal], batch: Batch) -> list[SignalScores]:
    """Return what each signal says of the products of a batch."""
    return [SignalScores(signal.name, signal.context_names, signal.score(batch)) for signal in signals]


def rounded(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores to the digits that count."""
    return np.round(scores, _DIGITS)
