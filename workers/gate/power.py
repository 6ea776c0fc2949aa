"""How small a fall the gate can detect, by number of gold products: ``python -m workers.gate.power``.

For n paired products of which the two models judge a share s differently, McNemar's test detects a fall d of the
share of right products with power 1 - b at level a if n d^2 = (z_a sqrt(s) + z_b sqrt(s - d^2))^2 (Connor, Sample
size for testing differences in proportions for the paired-sample design, Biometrics 43, 1987). The level is that
of the first step of Holm's correction: one family's third of 5 %, divided by the number of metrics.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

from scipy.optimize import brentq
from scipy.stats import binom, norm

from workers.gate.headline import HEADLINE

LEVEL: Final = 0.05 / 3
POWER: Final = 0.8
_PRODUCTS: Final = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
_CHANGED: Final = (0.02, 0.05, 0.10, 0.20)
_CATEGORY_PRODUCTS: Final = (20, 30, 50, 100, 200)
_CATEGORIES: Final = (1, 10, 100)


def detectable_fall(
    products: int, changed: float, level: float = LEVEL / len(HEADLINE), power: float = POWER
) -> float:
    """Return the fall of a share that is detected with this power; infinity if not even ``changed`` would be."""
    alpha, beta = norm.isf(level), norm.isf(1 - power)

    def excess(fall: float) -> float:
        return fall * sqrt(products) - alpha * sqrt(changed) - beta * sqrt(max(changed - fall * fall, 0.0))

    if excess(changed) < 0:
        return float("inf")
    return float(brentq(excess, 0.0, changed))


def detectable_loss(products: int, tested: int, level: float = LEVEL, power: float = POWER) -> float:
    """Return the share of a category's products that must turn wrong, while none turns right, to be detected.

    ``tested`` is the number of categories in which enough products changed to be tested at all.
    """
    needed = next(count for count in range(1, 1_000) if 0.5**count <= level / tested)
    if needed > products:
        return float("inf")
    return float(brentq(lambda loss: binom.sf(needed - 1, products, loss) - power, 1e-9, 1 - 1e-9))


def tables() -> str:
    """Return both tables in Markdown."""
    lines = [
        "| gold products | " + " | ".join(f"{share:.0%} change" for share in _CHANGED) + " |",
        "| ---: | " + " | ".join("---:" for _ in _CHANGED) + " |",
    ]
    lines += [
        f"| {count:,} | " + " | ".join(_points(detectable_fall(count, share)) for share in _CHANGED) + " |"
        for count in _PRODUCTS
    ]
    lines += [
        "",
        "| products of the category | " + " | ".join(f"{count} tested" for count in _CATEGORIES) + " |",
        "| ---: | " + " | ".join("---:" for _ in _CATEGORIES) + " |",
    ]
    for count in _CATEGORY_PRODUCTS:
        row = " | ".join(_points(detectable_loss(count, tested)) for tested in _CATEGORIES)
        lines.append(f"| {count} | {row} |")
    return "\n".join(lines) + "\n"


def _points(share: float) -> str:
    return f"{100 * share:.1f}" if share < 1 else "-"


if __name__ == "__main__":
    import sys

    sys.stdout.write(tables())
