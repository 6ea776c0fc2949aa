"""All baselines by name."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.quality.baselines.base import Baseline
from tests.benchmarks.quality.baselines.fast_text import FAST_TEXT
from tests.benchmarks.quality.baselines.linear import LOGISTIC, LOGISTIC_ENCODER, SVM, SVM_FIELDS
from tests.benchmarks.quality.baselines.majority import MAJORITY
from tests.benchmarks.quality.baselines.neighbours import NEIGHBOURS, NEIGHBOURS_ENCODER
from tests.benchmarks.quality.baselines.zero_shot import ZERO_SHOT

BASELINES: Final[dict[str, Baseline]] = {
    baseline.name: baseline
    for baseline in (
        MAJORITY,
        ZERO_SHOT,
        SVM,
        FAST_TEXT,
        NEIGHBOURS,
        NEIGHBOURS_ENCODER,
        LOGISTIC_ENCODER,
        LOGISTIC,
        SVM_FIELDS,
    )
}

COMBINATION: Final = "combination"
"""The weighted mean of the probabilities of the baselines that :func:`members` names."""


def members(*, encoder: bool) -> tuple[str, ...]:
    """Return the members of the combination; with a sentence encoder, its baselines replace ``logistic``."""
    if encoder:
        return SVM.name, FAST_TEXT.name, NEIGHBOURS.name, LOGISTIC_ENCODER.name, NEIGHBOURS_ENCODER.name
    return SVM.name, FAST_TEXT.name, NEIGHBOURS.name, LOGISTIC.name


def available(*, encoder: bool) -> list[str]:
    """Return the methods that can be run, the combination last; ``logistic`` only runs without an encoder."""
    names = [
        name
        for name, baseline in BASELINES.items()
        if (encoder or not baseline.needs_encoder) and not (encoder and name == LOGISTIC.name)
    ]
    return [*names, COMBINATION]
