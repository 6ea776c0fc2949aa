"""The document that the benchmark writes: stable keys at the top, everything else below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.benchmarks.throughput.figures import Spread, ratios, spread
from tests.benchmarks.throughput.latency import Latency
from tests.benchmarks.throughput.measure import Throughput

HALF, NINETY = 0.50, 0.90


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a figure; ``least`` is true for a minimum and false for a maximum."""

    key: str
    value: float
    least: bool

    def met(self, figure: float | None) -> bool | None:
        """Return whether the figure meets the target, or ``None`` if it was not measured."""
        if figure is None:
            return None
        return figure >= self.value if self.least else figure <= self.value


TARGETS = (
    Target("products_per_second_per_core", 2_500, least=True),
    Target("vs_bare_loop", 0.85, least=True),
    Target("vs_quix", 2.0, least=True),
    Target("vs_plain_faust", 5.0, least=True),
    Target("cpu_over_model", 1.6, least=False),
    Target("two_process_scaling", 1.8, least=True),
    Target("p99_ms_half_load", 50, least=False),
    Target("p99_ms_ninety_percent", 150, least=False),
)


@dataclass
class Results:
    """Raw results; each list has one entry per round, ``None`` if a contestant was left out or failed."""

    throughput: dict[str, list[Throughput | None]] = field(default_factory=dict)
    latency: list[tuple[Latency, ...]] = field(default_factory=list)
    model: list[Mapping[str, Mapping[str, float]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def rate(self, name: str) -> list[float | None]:
        """Return a contestant's products per second, by round."""
        return [None if run is None else run.products_per_second for run in self.throughput.get(name, [])]

    def cpu(self, name: str) -> list[float | None]:
        """Return a contestant's CPU microseconds per product, by round."""
        return [None if run is None else run.cpu for run in self.throughput.get(name, [])]

    def p99(self, load: float) -> Spread | None:
        """Return the 99th percentile of the latency at a load."""
        return spread(item.p99_ms for loads in self.latency for item in loads if item.load == load)


def document(results: Results, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole document; ``about`` has the machine, versions and settings."""
    spreads = _headline(results)
    ours = results.throughput.get("ours", [])
    threads = next((run.cpu_by_thread for run in reversed(ours) if run is not None), {})
    return {
        **{key: None if found is None else round(found.median, 4) for key, found in spreads.items()},
        "spread": {key: _shown(found) for key, found in spreads.items()},
        "targets": {target.key: {"target": target.value, "at_least": target.least} for target in TARGETS},
        "contestants": {name: _contestant(runs) for name, runs in results.throughput.items()},
        "cpu_ratios": {
            f"{name}_over_ours": _shown(_ratio(results.cpu(name), results.cpu("ours")))
            for name in ("bare", "quix", "plain_faust", "ours_without_learning", "ours_two_processes")
        },
        "ours_cpu_microseconds_by_thread": {name: round(cost, 1) for name, cost in threads.items()},
        "model_cpu_microseconds": {
            way: {
                stage: _shown(spread(run[way][stage] for run in results.model)) for stage in results.model[0][way]
            }
            for way in (results.model[0] if results.model else ())
        },
        "latency": [_latency(items) for items in zip(*results.latency, strict=True)],
        "problems": results.problems,
        **about,
    }


def _headline(results: Results) -> dict[str, Spread | None]:
    ours = [run for run in results.throughput.get("ours", []) if run is not None]
    rate = results.rate("ours")
    model = [run["batch"]["model"] for run in results.model]
    return {
        "products_per_second_per_core": spread(run.per_core for run in ours),
        "vs_bare_loop": _ratio(rate, results.rate("bare")),
        "vs_quix": _ratio(rate, results.rate("quix")),
        "vs_plain_faust": _ratio(rate, results.rate("plain_faust")),
        "cpu_over_model": _ratio(results.cpu("ours"), model),
        "two_process_scaling": _ratio(results.rate("ours_two_processes"), rate),
        "p99_ms_half_load": results.p99(HALF),
        "p99_ms_ninety_percent": results.p99(NINETY),
        "peak_memory_mb": spread(run.peak_memory_mb for run in ours),
    }


def _ratio(of: Sequence[float | None], to: Sequence[float | None]) -> Spread | None:
    return ratios(of, to) if len(of) == len(to) else None


def _shown(found: Spread | None) -> dict[str, Any] | None:
    return None if found is None else found.as_dict()


def _contestant(runs: Sequence[Throughput | None]) -> dict[str, Any] | None:
    found = [run for run in runs if run is not None]
    if not found:
        return None
    figures = [run.as_dict() for run in found]
    return {key: _shown(spread(figure[key] for figure in figures)) for key in figures[0]} | {
        "decided": [run.decided for run in found]
    }


def _latency(items: Sequence[Latency]) -> dict[str, Any]:
    figures = [asdict(item) for item in items]
    return {"load": items[0].load} | {
        key: _shown(spread(figure[key] for figure in figures)) for key in figures[0] if key != "load"
    }
