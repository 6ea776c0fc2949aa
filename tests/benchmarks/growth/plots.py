"""The figures as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

_STAGES = ("decode", "encode", "recall", "ranking", "events")


def draw(figures: dict[str, Any], file: Path) -> None:
    """Write an SVG of three panels: neighbours, nodes of the tree, bytes of an event."""
    mpl.rcParams["svg.hashsalt"] = "shelfwise"
    picture, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    points = figures["neighbours"]
    left.loglog([p["vectors"] for p in points], [p["exact_us"] for p in points], "o-", label="compared with all")
    left.loglog([p["vectors"] for p in points], [p["used_us"] for p in points], "s-", label="as the model does")
    left.set(xlabel="labelled neighbours", ylabel="CPU us a product", title="48 nearest neighbours")
    left.legend()
    _stacked(middle, [p["nodes"] for p in figures["tree"]], [p["us"] for p in figures["tree"]])
    middle.set(xlabel="nodes of the tree", title="the whole model")
    _stacked(right, [p["bytes"] for p in figures["events"]], [p["us"] for p in figures["events"]])
    right.set(xlabel="bytes of an event", title="the whole model")
    for panel in (middle, right):
        panel.set(xscale="log", ylabel="CPU us a product")
        panel.legend(fontsize="small")
    picture.savefig(file, metadata={"Date": None})
    plt.close(picture)


def _stacked(panel: Any, places: list[int], costs: list[dict[str, float]]) -> None:
    panel.stackplot(places, [[cost[stage] for cost in costs] for stage in _STAGES], labels=_STAGES)
    panel.set_ylim(bottom=0)
