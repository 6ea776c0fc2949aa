"""Small SVG plots: learning curves, and error rate by coverage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from tests.benchmarks.quality.datasets import DATASETS
from tests.benchmarks.quality.ours import OURS
from tests.benchmarks.quality.results import Results
from tests.benchmarks.quality.splits import CURVE
from workers.evaluation.confidence import PRECISION

_SHOWN: Final = (OURS, "combination", "svm", "zero_shot", "majority")
_COLOURS: Final = {
    OURS: "#c0392b",
    "combination": "#8e44ad",
    "svm": "#2471a3",
    "zero_shot": "#1e8449",
    "majority": "#7f8c8d",
}
_POINTS: Final = 100


def plot_curve(results: Results, names: Mapping[str, str], file: Path) -> bool:
    """Plot exact accuracy by the number of labelled products; return whether there was anything to plot."""
    full = [name for name, dataset in DATASETS.items() if dataset.full]
    figure, axes = _axes(len(full))
    drawn = False
    for axis, dataset in zip(axes, full, strict=True):
        for method in _SHOWN:
            points = []
            for split in (*(f"labels-{count}" for count in CURVE), "random"):
                found = results.of(dataset, split, method, 0)
                if found:
                    points.append((found.figures[0]["products_fitted_on"], found.figures[0]["exact"]["value"]))
            if len(points) > 1:
                axis.plot(
                    *zip(*points, strict=True), marker=".", color=_COLOURS[method], label=_plain(names[method])
                )
                drawn = True
        axis.set_xscale("symlog", linthresh=10)
        _style(axis, dataset, "labelled products", "exact accuracy")
        axis.set_ylim(0, 1)
    return _save(figure, axes, file, drawn=drawn)


def plot_risk_coverage(results: Results, names: Mapping[str, str], file: Path) -> bool:
    """Plot the error rate of the most confident products by their share; return whether anything was plotted."""
    full = [name for name, dataset in DATASETS.items() if dataset.full]
    figure, axes = _axes(len(full))
    drawn = False
    for axis, dataset in zip(axes, full, strict=True):
        for method in _SHOWN:
            found = results.of(dataset, "random", method)
            if not found or method in ("zero_shot", "majority"):
                continue
            share = np.linspace(0.3, 1.0, _POINTS)
            risks = []
            for products in found.products:
                wrong = ~products.correct[np.argsort(-products.confidence, kind="stable")]
                counts = np.maximum((share * len(wrong)).astype(int), 1)
                risks.append(np.cumsum(wrong)[counts - 1] / counts)
            axis.plot(share, np.mean(risks, axis=0), color=_COLOURS[method], label=_plain(names[method]))
            drawn = True
        axis.axhline(1 - PRECISION, color="black", linewidth=0.6, linestyle=":")
        _style(axis, dataset, "share assigned", "share wrong of these")
    return _save(figure, axes, file, drawn=drawn)


def _axes(count: int) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(3.2 * count, 3.0), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _style(axis: Any, title: str, horizontal: str, vertical: str) -> None:
    axis.set_title(title, fontsize=9)
    axis.set_xlabel(horizontal, fontsize=8)
    axis.set_ylabel(vertical, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(visible=True, linewidth=0.3)


def _save(figure: Figure, axes: list[Any], file: Path, *, drawn: bool) -> bool:
    if drawn:
        next(axis for axis in axes if axis.get_legend_handles_labels()[0]).legend(fontsize=7)
        # Random element names and the date would make the file differ in every run.
        with mpl.rc_context({"svg.hashsalt": "shelfwise", "svg.fonttype": "none"}):
            figure.savefig(file, metadata={"Date": None})
    return drawn


def _plain(name: str) -> str:
    return name.strip("*")
