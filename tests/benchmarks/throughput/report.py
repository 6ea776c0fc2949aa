"""The tables that the benchmark prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.throughput.document import TARGETS
from tests.benchmarks.throughput.processes import REGISTRY

_COLUMNS = (
    ("products/s", "products_per_second", 0),
    ("/s a core", "products_per_second_per_core", 0),
    ("cores", "cores_busy", 2),
    ("CPU µs per product", "cpu_microseconds_per_product", 0),
    ("Kafka's CPU µs", "broker_cpu_microseconds_per_product", 0),
    ("peak MB", "peak_memory_mb", 0),
)
_STAGES = ("decode", "encode", "recall", "ranking", "events", "model", "total")
_LATENCIES = (
    ("events/s", "rate", 0),
    ("p50 ms", "p50_ms", 1),
    ("p99 ms", "p99_ms", 1),
    ("p99.9 ms", "p999_ms", 1),
    ("max ms", "max_ms", 0),
    ("cores", "cores", 2),
    ("undecided", "undecided", 0),
)


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print the tables of a document."""
    console.print(_contestants(found))
    if found["model_cpu_microseconds"]:
        console.print(_model(found["model_cpu_microseconds"]))
    if found["latency"]:
        console.print(_latency(found["latency"]))
    console.print(_headline(found))
    for problem in found["problems"]:
        console.print(problem, style="yellow", markup=False)


def cell(figures: Mapping[str, Any] | None, digits: int = 0) -> str:
    """Return the median, with the minimum and maximum if there was more than one round."""
    if figures is None:
        return "-"
    median, low, high = (f"{figures[key]:,.{digits}f}" for key in ("median", "min", "max"))
    return median if len(figures["rounds"]) == 1 else f"{median} [{low}, {high}]"


def _contestants(found: Mapping[str, Any]) -> Table:
    table = _table("End to end, middle 80 % of decisions", ["", *(title for title, _, _ in _COLUMNS)])
    for name, figures in found["contestants"].items():
        if figures is not None:
            cells = (cell(figures[key], digits) for _, key, digits in _COLUMNS)
            table.add_row(REGISTRY[name].title, *cells)
    return table


def _model(found: Mapping[str, Any]) -> Table:
    table = _table("The model alone: CPU µs per product", ["", *_STAGES])
    for way, title in (("batch", "64 at a time"), ("single", "one at a time")):
        table.add_row(title, *(cell(found[way][stage]) for stage in _STAGES))
    return table


def _latency(found: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("From when an event is due to its decision", ["load", *(title for title, _, _ in _LATENCIES)])
    for item in found:
        table.add_row(f"{item['load']:.0%}", *(cell(item[key], digits) for _, key, digits in _LATENCIES))
    return table


def _headline(found: Mapping[str, Any]) -> Table:
    table = _table("Targets", ["", "measured", "target", ""])
    for target in TARGETS:
        met = target.met(found[target.key])
        bound = f"{'>=' if target.least else '<='} {target.value:g}"
        table.add_row(
            target.key,
            cell(found["spread"][target.key], 2),
            bound,
            {True: "met", False: "missed", None: "not measured"}[met],
        )
    return table


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table
