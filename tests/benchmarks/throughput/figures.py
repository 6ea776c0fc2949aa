"""Figures made of raw measurements: nothing here starts a process or looks at a clock."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of the decisions, first and last are left out: starting up and running dry are no steady state.
_LEFT_OUT = 0.1
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of all rounds, in order of the rounds."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.rounds)

    def as_dict(self, digits: int = 4) -> dict[str, Any]:
        """Return median, min, max and the values themselves."""
        return {
            "median": round(self.median, digits),
            "min": round(min(self.rounds), digits),
            "max": round(max(self.rounds), digits),
            "rounds": [round(value, digits) for value in self.rounds],
        }


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return the values that are there, or ``None`` where none is."""
    found = tuple(value for value in values if value is not None and not math.isnan(value))
    return Spread(found) if found else None


def ratios(of: Sequence[float | None], to: Sequence[float | None]) -> Spread | None:
    """Return the ratio in each round that has both: what drifts between rounds does not touch it."""
    pairs = zip(of, to, strict=True)
    return spread(one / other for one, other in pairs if one is not None and other)


def percentile(values: NDArray[np.float64], share: float) -> float:
    """Return the smallest of n values, float64 (n,), that at least this share does not exceed.

    A value that was measured, never one between two (Hyndman and Fan, 1996, definition 1). Raises
    :class:`ValueError` where there are none.
    """
    if not len(values):
        raise ValueError("no values were measured")
    return float(np.quantile(values, share, method="inverted_cdf"))


@dataclass(frozen=True, slots=True)
class Span:
    """The steady part of a run: ``products`` were decided between ``began`` and ``ended``, in epoch seconds."""

    began: float
    ended: float
    products: int

    @property
    def per_second(self) -> float:
        """Products a second."""
        return self.products / (self.ended - self.began)


def middle(appended: NDArray[np.float64]) -> Span:
    """Return the middle 80 % of decisions, by the times at which they were appended: epoch seconds, float64 (n,).

    Raises :class:`ValueError` where they are too few to say anything.
    """
    times = np.sort(appended)
    first = int(len(times) * _LEFT_OUT)
    last = len(times) - 1 - first
    if len(times) < _FEWEST or times[last] <= times[first]:
        raise ValueError(f"{len(times)} decisions, and the middle ones at one time, measure nothing")
    return Span(float(times[first]), float(times[last]), last - first)


def spent(times: Sequence[float], seconds: Sequence[float], span: Span) -> float:
    """Return the CPU seconds spent within the span, from samples of a counter that only grows.

    ``times`` are epoch seconds; between two samples the counter is taken to grow evenly. Raises
    :class:`ValueError` where the samples do not cover the span.
    """
    if not times or times[0] > span.began or times[-1] < span.ended:
        raise ValueError("the process was not watched over the whole span")
    before, after = np.interp([span.began, span.ended], times, seconds)
    return float(after - before)


def per_core(products_per_second: float, cores: float) -> float:
    """Return products a second and core: of the cores that were kept busy, and at least of one.

    A process that waits has a core all the same, one that uses more than a core has cost more than one.
    """
    return products_per_second / max(1.0, cores)
