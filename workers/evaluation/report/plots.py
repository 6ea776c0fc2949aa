"""The report's plots, as SVG text."""

from __future__ import annotations

import io
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from workers.evaluation.report.words import thousands
from workers.signals.registry import title_of

INK: Final = "#1b2430"
MUTED: Final = "#5b6675"
BLUE: Final = "#1d5fd1"
RED: Final = "#b3261e"
GRID: Final = "#e3e7ec"
_STYLE: Final = {
    # Keep text as text: searchable, a tenth of the size, and in the page's own font.
    "svg.fonttype": "none",
    "svg.hashsalt": "shelfwise",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#b9c1cb",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_BUDGET: Final = 0.05
_WILSON: Final = 1.96


def draw_all(document: dict[str, Any]) -> dict[str, str]:
    """Return the SVG of each plot for which the document has data."""
    with mpl.rc_context(_STYLE):
        found = {"reliability": _reliability(document), "risk_coverage": _risk_coverage(document)}
        if document["per_level_f1"]:
            found["levels"] = _levels(document)
        if document["recall"]:
            found["recall"] = _recall(document)
        return {name: _svg(figure) for name, figure in found.items()}


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(stream, format="svg", metadata=nothing)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _reliability(document: dict[str, Any]) -> Figure:
    figure, axes = _axes(5.2, 4.4)
    bins = document["reliability"]
    said = np.array([one["confidence"] for one in bins])
    happened = np.array([one["accuracy"] for one in bins])
    count = np.array([one["n"] for one in bins])
    spread = _wilson(happened, count)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.03, 0.93, "says less than it knows", color=MUTED, fontsize=9)
    axes.text(0.97, 0.03, "says more than it knows", color=MUTED, fontsize=9, ha="right")
    axes.vlines(said, *spread, color=BLUE, linewidth=2, alpha=0.35)
    axes.plot(said, happened, color=BLUE, marker="o", markersize=5, linewidth=1.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, 0, " %"))
    axes.set(xlim=(0, 1.02), ylim=(0, 1.03), xlabel="confidence it stated", ylabel="share that was right")
    return figure


def _wilson(share: np.ndarray[Any, Any], count: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Return Wilson's 95 % interval (1927)."""
    square = _WILSON**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _WILSON / (1 + square / count) * np.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return middle - half, middle + half


def _risk_coverage(document: dict[str, Any]) -> Figure:
    figure, axes = _axes(5.2, 4.4)
    curve = document["risk_coverage"]
    # Products in the first tie are equally confident, so its risk holds from coverage 0 on.
    coverage = [0.0, *[point["coverage"] for point in curve]]
    risk = [curve[0]["risk"], *[point["risk"] for point in curve]]
    axes.fill_between(coverage, risk, color=BLUE, alpha=0.10, linewidth=0)
    axes.plot(coverage, risk, color=BLUE, linewidth=1.8)
    axes.axhline(_BUDGET, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate("5 % wrong", (0, _BUDGET), xytext=(2, 4), textcoords="offset points", color=MUTED, fontsize=9)
    top = max(*risk, 2 * _BUDGET)
    if document["precision_assigned"] is not None:
        x, y = document["coverage"], 1 - document["precision_assigned"]
        top = max(top, y)
        axes.plot([x], [y], marker="o", markersize=9, color=RED, markeredgecolor="white", zorder=5)
        axes.annotate(
            f"as it is set: {100 * x:.0f} % assigned,\n{100 * y:.1f} % of them wrong",
            (x, y),
            xytext=(-14, 26),
            textcoords="offset points",
            ha="right" if x > 0.4 else "left",
            va="bottom",
            color=RED,
            fontsize=10,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            arrowprops={"arrowstyle": "-", "color": RED, "linewidth": 0.8},
        )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, 0, " %"))
    axes.set(
        xlim=(-0.01, 1.01),
        ylim=(0, top * 1.25),
        xlabel="share of products assigned, the surest first",
        ylabel="share of these that is wrong",
    )
    return figure


def _levels(document: dict[str, Any]) -> Figure:
    levels = document["per_level_f1"]
    figure, axes = _axes(5.2, 0.45 * len(levels) + 0.9)
    names = [f"level {level['depth']} ({thousands(level['n'])})" for level in levels]
    values = [level["f1"] or 0.0 for level in levels]
    bars = axes.barh(names, values, color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{100 * value:.1f} %" for value in values], padding=4, fontsize=10)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, 0, " %"))
    axes.set(xlim=(0, 1.16), xlabel="F1 at this level (products that reach it)")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    return figure


def _recall(document: dict[str, Any]) -> Figure:
    recall = document["recall"]
    # Not the first 30: with few more candidates than that, every signal that scores them all has nearly all there.
    rows = [("all together", recall["union"]), *sorted(recall["signals"].items(), key=lambda item: -item[1]["3"])]
    figure, axes = _axes(5.2, 0.38 * len(rows) + 1.1)
    names = [title_of(name) for name, _ in rows]
    first = [row["1"] for _, row in rows]
    reached = [row["3"] for _, row in rows]
    axes.hlines(names, first, reached, color=[INK, *[BLUE] * (len(rows) - 1)], linewidth=3, alpha=0.35)
    axes.scatter(first, names, facecolors="white", edgecolors=BLUE, s=42, zorder=3, label="is its first choice")
    axes.scatter(reached, names, color=BLUE, s=42, zorder=3, label="is among its first three")
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, 0, " %"))
    axes.set(xlim=(-0.02, 1.02), xlabel="share of products whose right category ...")
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, frameon=False, fontsize=10)
    return figure
