"""Compute figures from raw measurements; nothing here starts a process or reads a clock."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The first and last tenth of the decisions are left out, because starting and running dry are not steady.
_LEFT_OUT = 0.1
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of all rounds, in order."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median value."""
        return statistics.median(self.rounds)

    def as_dict(self, digits: int = 4) -> dict[str, Any]:
        """Return the median, minimum, maximum and all values."""
        return {
            "median": round(self.median, digits),
            "min": round(min(self.rounds), digits),
            "max": round(max(self.rounds), digits),
            "rounds": [round(value, digits) for value in self.rounds],
        }


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return the values that exist, or ``None`` if there are none."""
    found = tuple(value for value in values if value is not None and not math.isnan(value))
    return Spread(found) if found else None


def ratios(of: Sequence[float | None], to: Sequence[float | None]) -> Spread | None:
    """Return the ratio for each round that has both values, so that drift between rounds does not matter."""
    pairs = zip(of, to, strict=True)
    return spread(one / other for one, other in pairs if one is not None and other)


def percentile(values: NDArray[np.float64], share: float) -> float:
    """Return the smallest of the values, float64 (n,), that at least this share of them does not exceed.

    The result is always a measured value, never interpolated (Hyndman and Fan, 1996, definition 1). Raises
    :class:`ValueError` if there are no values.
    """
    if not len(values):
        raise ValueError("no values were measured")
    return float(np.quantile(values, share, method="inverted_cdf"))


@dataclass(frozen=True, slots=True)
class Span:
    """The steady part of a run: ``products`` were decided from ``began`` to ``ended``, in epoch seconds."""

    began: float
    ended: float
    products: int

    @property
    def per_second(self) -> float:
        """Products per second."""
        return self.products / (self.ended - self.began)


def middle(appended: NDArray[np.float64]) -> Span:
    """Return the middle 80 % of decisions, by the times when they were appended: epoch seconds, float64 (n,).

    Raises :class:`ValueError` if there are too few decisions to measure anything.
    """
    times = np.sort(appended)
    first = int(len(times) * _LEFT_OUT)
    last = len(times) - 1 - first
    if len(times) < _FEWEST or times[last] <= times[first]:
        raise ValueError(f"{len(times)} decisions, and the middle ones at one time, measure nothing")
    return Span(float(times[first]), float(times[last]), last - first)


def spent(times: Sequence[float], seconds: Sequence[float], span: Span) -> float:
    """Return the CPU seconds spent within the span, from samples of a counter that only grows.

    ``times`` are epoch seconds; between two samples the counter is assumed to grow linearly. Raises
    :class:`ValueError` if the samples do not cover the span.
    """
    if not times or times[0] > span.began or times[-1] < span.ended:
        raise ValueError("the process was not watched over the whole span")
    before, after = np.interp([span.began, span.ended], times, seconds)
    return float(after - before)


def per_core(products_per_second: float, cores: float) -> float:
    """Return the products per second and busy core, with at least one core.

    A process that waits still occupies a core, and one that uses more than one core costs more than one.
    """
    return products_per_second / max(1.0, cores)
