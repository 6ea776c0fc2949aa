"""Draw the figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

_STAGES = ("decode", "encode", "recall", "ranking", "events")
_COST = "CPU µs per product"
_COLUMNS = 3


def draw(figures: Mapping[str, Any], file: Path) -> None:
    """Write an SVG with one panel for each series that has figures, and two for brands: cost and memory."""
    mpl.rcParams["svg.hashsalt"] = "shelfwise"
    drawn = [(panel, figures[series]) for series, panel in _PANELS if figures.get(series)]
    rows = max(1, -(-len(drawn) // _COLUMNS))
    picture = plt.figure(figsize=(4 * _COLUMNS, 3.6 * rows), layout="constrained")
    for place, (panel, points) in enumerate(drawn, start=1):
        panel(picture.add_subplot(rows, _COLUMNS, place), points)
    picture.savefig(file, metadata={"Date": None})
    plt.close(picture)


def _neighbours(panel: Any, points: list[dict[str, Any]]) -> None:
    vectors = _column(points, "vectors")
    panel.loglog(vectors, _column(points, "exact_us"), "o-", label="exact (FAISS)")
    panel.loglog(vectors, _column(points, "eight_bits_us"), "^-", label="all, in eight bits")
    panel.loglog(vectors, _column(points, "used_us"), "s-", label="as the model does")
    panel.set(xlabel="labelled neighbours", ylabel=_COST, title="48 nearest neighbours")
    panel.legend()


def _tree(panel: Any, points: list[dict[str, Any]]) -> None:
    _stacked(panel, _column(points, "nodes"), _column(points, "us"))
    panel.set(xlabel="nodes of the tree")


def _events(panel: Any, points: list[dict[str, Any]]) -> None:
    _stacked(panel, _column(points, "bytes"), _column(points, "us"))
    panel.set(xlabel="bytes of an event")


def _brand_cost(panel: Any, points: list[dict[str, Any]]) -> None:
    brands = _column(points, "brands")
    panel.semilogx(brands, _column(points, "recall_us"), "o-", label="all signals")
    panel.semilogx(brands, _column(points, "brand_frequency_us"), "s-", label="brand frequency alone")
    panel.set(xlabel="brands learned from the stream", ylabel=_COST, title="recall")
    panel.set_ylim(bottom=0)
    panel.legend()


def _brand_memory(panel: Any, points: list[dict[str, Any]]) -> None:
    panel.loglog(_column(points, "brands"), _column(points, "memory_mb"), "o-")
    panel.set(xlabel="brands learned from the stream", ylabel="MB", title="memory of the brands, each worker")


def _partitions(panel: Any, points: list[dict[str, Any]]) -> None:
    for learning, colour in ((True, "C0"), (False, "C1")):
        chosen = [point for point in points if point["learning"] == learning]
        for cost, style, of in (("us", "o-", "worker"), ("broker_us", "s:", "broker")):
            label = f"{of}, learning {'on' if learning else 'off'}"
            panel.plot(_column(chosen, "partitions"), _column(chosen, cost), style, color=colour, label=label)
    counts = sorted(set(_column(points, "partitions")))
    panel.set_xscale("log", base=2)
    panel.set_xticks(counts, map(str, counts))
    panel.set(xlabel="partitions", ylabel=_COST, title="a worker on Kafka")
    panel.set_ylim(bottom=0)
    panel.legend(fontsize="small")


def _stacked(panel: Any, places: list[int], costs: list[dict[str, float]]) -> None:
    panel.stackplot(places, [[cost[stage] for cost in costs] for stage in _STAGES], labels=_STAGES)
    panel.set(xscale="log", ylabel=_COST, title="the whole model")
    panel.set_ylim(bottom=0)
    panel.legend(fontsize="small")


def _column(points: list[dict[str, Any]], name: str) -> list[Any]:
    return [point[name] for point in points]


_PANELS = (
    ("neighbours", _neighbours),
    ("tree", _tree),
    ("events", _events),
    ("brands", _brand_cost),
    ("brands", _brand_memory),
    ("partitions", _partitions),
)
