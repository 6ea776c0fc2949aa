"""Numbers that go into JSON: a figure that cannot be computed is null, never NaN."""

from __future__ import annotations

import math
from typing import Final

DIGITS: Final = 6


def number(value: float) -> float | None:
    """Return the value rounded to six digits, or ``None`` if it is not a finite number."""
    return round(float(value), DIGITS) if math.isfinite(value) else None


def ratio(numerator: float, denominator: float) -> float | None:
    """Return the ratio, or ``None`` if the denominator is 0."""
    return number(float(numerator) / float(denominator)) if denominator else None
