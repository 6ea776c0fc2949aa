"""The document of the throughput benchmark, what it prints, and what it reads from /proc."""

from __future__ import annotations

import io
import os
import time

import orjson
import pytest
from rich.console import Console

from tests.benchmarks.throughput.document import TARGETS, Results, document
from tests.benchmarks.throughput.figures import Span
from tests.benchmarks.throughput.latency import Latency
from tests.benchmarks.throughput.measure import Throughput
from tests.benchmarks.throughput.options import CONTESTANTS, Options
from tests.benchmarks.throughput.processes import REGISTRY
from tests.benchmarks.throughput.report import cell, show
from tests.benchmarks.throughput.watch import Watch, cpu_seconds, peak_memory_mb

STABLE = {
    "products_per_second_per_core",
    "vs_bare_loop",
    "vs_quix",
    "vs_plain_faust",
    "cpu_over_model",
    "two_process_scaling",
    "p99_ms_half_load",
    "p99_ms_ninety_percent",
    "peak_memory_mb",
}
STAGES = {
    "decode": 1.0,
    "encode": 60.0,
    "recall": 80.0,
    "ranking": 60.0,
    "events": 20.0,
    "model": 200.0,
    "total": 221.0,
}


def throughput(rate: float, cpu: float = 300.0) -> Throughput:
    return Throughput(1_000, rate, rate, 1.0, cpu, 50.0, 400.0, {"main": 100.0})


def latency(load: float, p99: float) -> Latency:
    return Latency(load, 1_000, 5_000, 0, 5.0, p99, p99 + 5, p99 + 9, 1.0, 0.5)


def results() -> Results:
    rates = {
        "bare": (4_000, 4_400), "quix": (1_000, 1_100), "plain_faust": (500, 550), "ours": (3_600, 3_300),
        "ours_without_learning": (3_800, 3_500), "ours_two_processes": (5_400, 5_280),
    }  # fmt: skip
    return Results(
        throughput={name: [throughput(rate) for rate in of_rounds] for name, of_rounds in rates.items()},
        latency=[(latency(0.5, 20), latency(0.9, 90)), (latency(0.5, 30), latency(0.9, 110))],
        model=[{"batch": STAGES, "single": STAGES}] * 2,
    )


def test_the_stable_keys_are_medians_of_the_rounds_own_ratios() -> None:
    found = document(results(), {})
    assert {key: found[key] for key in STABLE} == {
        "products_per_second_per_core": 3_450,
        "vs_bare_loop": pytest.approx((0.9 + 0.75) / 2),
        "vs_quix": pytest.approx((3.6 + 3.0) / 2),
        "vs_plain_faust": pytest.approx((7.2 + 6.0) / 2),
        "cpu_over_model": 1.5,
        "two_process_scaling": pytest.approx((1.5 + 1.6) / 2),
        "p99_ms_half_load": 25,
        "p99_ms_ninety_percent": 100,
        "peak_memory_mb": 400,
    }
    assert found["spread"]["vs_bare_loop"] == {"median": 0.825, "min": 0.75, "max": 0.9, "rounds": [0.9, 0.75]}


def test_what_was_not_measured_is_null_under_its_key() -> None:
    some = results()
    some.throughput["quix"] = [None, None]
    del some.throughput["plain_faust"]
    some.latency.clear()
    some.model.clear()
    found = document(some, {})
    absent = {"vs_quix", "vs_plain_faust", "cpu_over_model", "p99_ms_half_load", "p99_ms_ninety_percent"}
    assert {key for key in STABLE if found[key] is None} == absent
    assert set(found) >= STABLE
    assert document(Results(), {})["products_per_second_per_core"] is None


def test_the_document_is_json_and_says_where_it_comes_from() -> None:
    found = document(results(), {"machine": {"cores": 2}})
    again = orjson.loads(orjson.dumps(found))
    assert again["machine"] == {"cores": 2}
    assert again["contestants"]["ours"]["cpu_microseconds_per_product"]["median"] == 300
    assert [item["load"] for item in again["latency"]] == [0.5, 0.9]


@pytest.mark.parametrize("whole", [True, False])
def test_every_document_can_be_shown(whole: bool) -> None:
    out = io.StringIO()
    show(document(results() if whole else Results(), {}), Console(file=out, width=200))
    assert all(target.key in out.getvalue() for target in TARGETS)
    assert ("p99.9 ms" in out.getvalue()) is whole


def test_a_cell_shows_the_spread_where_there_are_rounds() -> None:
    assert cell(None) == "-"
    assert cell({"median": 1_234.5, "min": 1.0, "max": 2.0, "rounds": [1_234.5]}, 1) == "1,234.5"
    assert cell({"median": 2.0, "min": 1.0, "max": 3.0, "rounds": [1.0, 3.0]}) == "2 [1, 3]"


def test_targets_that_are_bounds_above_are_met_from_below() -> None:
    least = next(target for target in TARGETS if target.key == "vs_quix")
    most = next(target for target in TARGETS if target.key == "p99_ms_half_load")
    assert (least.met(2.0), least.met(1.9), least.met(None)) == (True, False, None)
    assert (most.met(50), most.met(50.1)) == (True, False)


def test_every_contestant_can_be_started_by_name() -> None:
    assert set(CONTESTANTS) < set(REGISTRY)
    assert Options().short().loads == (0.50, 0.90)
    assert Options(events=5_000).short().events == 5_000
    assert Options().without_latency().loads == ()


def test_cpu_time_is_read_behind_a_name_with_brackets_and_spaces() -> None:
    fields = ["S", *["0"] * 10, "150", "50", *["0"] * 30]
    assert cpu_seconds(f"12 (a) b (c) {' '.join(fields)}") == 200 / os.sysconf("SC_CLK_TCK")


def test_a_busy_process_is_seen_to_be_busy() -> None:
    with Watch([os.getpid()], by_thread=True) as watch:
        began, cpu = time.time(), time.process_time()
        while time.process_time() - cpu < 0.2:
            pass
        ended = time.time()
    # The counter moves in steps of a tick.
    assert watch.spent(os.getpid(), Span(began, ended, 1)) >= 0.2 - 3 / os.sysconf("SC_CLK_TCK")
    assert 0 < watch.cores <= (os.cpu_count() or 1) + 0.5
    assert sum(watch.spent_by_thread(Span(began, ended, 1)).values()) > 0
    assert peak_memory_mb(os.getpid()) > 1
