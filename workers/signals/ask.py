"""Ask several signals for the scores of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.recall.batch import Batch
from workers.signals.base import Scores, Signal

# Beyond these digits, scores differ between machines and libraries; a decision must not depend on them.
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class SignalScores:
    """The scores of one signal, with the names under which they and the context columns appear from here on."""

    signal: str
    context_names: tuple[str, ...]
    scores: Scores


def ask(signals: Sequence[Signal], batch: Batch) -> list[SignalScores]:
    """Return the scores that each signal gives the products of a batch."""
    return [SignalScores(signal.name, signal.context_names, signal.score(batch)) for signal in signals]


def rounded(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores rounded to the digits that a decision may depend on."""
    return np.round(scores, _DIGITS)
