from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

import streams
from schemas.events.batch import Outcome
from streams.metrics import DEFINITIONS, Metrics, process_registry
from streams.metrics.abstentions import Abstentions
from streams.metrics.definitions import PREFIX


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(PREFIX + name, labels)


def test_outcomes_are_counted_by_what_became_of_the_events(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.outcomes({Outcome.ASSIGNED: 40, Outcome.NEEDS_REVIEW: 10})
    metrics.outcomes({Outcome.ASSIGNED: 2})
    assert value(registry, "event_outcomes_total", outcome="assigned") == 42
    assert value(registry, "event_outcomes_total", outcome="needs_review") == 10
    assert value(registry, "abstain_ratio") == pytest.approx(10 / 52)


def test_every_outcome_is_shown_from_the_start_so_that_its_first_event_is_seen(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    for outcome in set(Outcome) - {Outcome.FAILED}:
        assert value(registry, "event_outcomes_total", outcome=str(outcome)) == 0


def test_what_failed_is_counted_as_a_dead_letter_alone(registry: CollectorRegistry, metrics: Metrics) -> None:
    assert value(registry, "event_outcomes_total", outcome="failed") is None


def test_a_reason_or_stage_of_nobody_known_makes_no_new_series(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    for number in range(100):
        metrics.dead_letter(f"reason {number}", f"stage {number}")
    assert value(registry, "dead_letters_total", reason="other", stage="other") == 100
    assert b"reason 7" not in generate_latest(registry)


def test_a_feed_whose_clock_runs_ahead_gives_no_negative_latency(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    metrics.decisions_acknowledged([-3.0, 0.5])
    assert value(registry, "end_to_end_latency_seconds_sum") == 0.5
    assert value(registry, "end_to_end_latency_seconds_count") == 2


def test_a_revoked_partition_is_shown_no_more(metrics: Metrics, registry: CollectorRegistry) -> None:
    for partition in (0, 1):
        metrics.lag("products.changed.v1", partition, 5, 1.5)
        metrics.processed("products.changed.v1", partition, 100)
        metrics.committed("products.changed.v1", partition, 90)
    metrics.partition_revoked("products.changed.v1", 0)
    metrics.partition_revoked("products.changed.v1", 0)
    for definition in DEFINITIONS:
        if "partition" in definition.labels:
            of = {"topic": "products.changed.v1", "partition": "1"}
            assert registry.get_sample_value(definition.name, of) is not None, (
                f"record {definition.name} in this test, to see that a partition's value goes with the partition"
            )
            assert registry.get_sample_value(definition.name, of | {"partition": "0"}) is None, (
                f"remove {definition.name} in Metrics.partition_revoked: another worker exports it from then on"
            )


def test_no_model_is_shown_until_there_is_one_and_then_the_latest(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    assert b"model_info" not in generate_latest(registry)
    metrics.model_loaded("m1", "t1", "static", "accepted")
    metrics.model_loaded("m2", "t1", "static", "forced")
    labels = {"model_version": "m2", "taxonomy_version": "t1", "encoder": "static", "gate": "forced"}
    assert value(registry, "model_info", **labels) == 1
    assert b"m1" not in generate_latest(registry)


def test_what_is_recorded_is_exported(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.events_received(3)
    metrics.dead_letter("empty_title", "intake")
    metrics.stage_finished("recall", 0.02, 50)
    metrics.candidates({"text_embedding": 10}, [10, 0])
    metrics.batches_in_flight(4)
    metrics.batch_resent()
    metrics.statistics_updated("brand", applied=7, repeated=0)
    assert value(registry, "events_received_total") == 3
    assert value(registry, "dead_letters_total", reason="empty_title", stage="intake") == 1
    assert value(registry, "stage_latency_seconds_sum", stage="recall") == 0.02
    assert value(registry, "batch_size_products_sum", stage="recall") == 50
    assert value(registry, "candidates_total", signal="text_embedding") == 10
    assert value(registry, "candidates_per_product_count") == 2
    assert value(registry, "batches_in_flight") == 4
    assert value(registry, "batch_resends_total") == 1
    assert value(registry, "statistics_updates_total", kind="brand", result="applied") == 7


def test_the_exposition_holds_exactly_the_defined_metrics(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.model_loaded("m1", "t1", "static", "accepted")
    types = re.findall(r"^# TYPE (\S+) (\S+)$", generate_latest(registry).decode(), re.MULTILINE)
    exposed = {name: kind for name, kind in types if not name.endswith("_created")}
    # The text format knows no metadata: it calls them gauges.
    defined = {item.name: "gauge" if item.kind == "info" else item.kind for item in DEFINITIONS}
    assert exposed == defined, "create each metric in streams/metrics/recording.py, as its definition says"


@pytest.mark.parametrize("method", [name for name in vars(Metrics) if not name.startswith("_")])
def test_whatever_can_be_recorded_is_recorded_somewhere(method: str) -> None:
    """A metric that nothing records shows 0 for ever, and an alert on it never fires."""
    code = Path(streams.__path__[0])
    callers = [
        file
        for file in code.rglob("*.py")
        if file.parent.name != "metrics" and re.search(rf"\.{method}\b", file.read_text(encoding="utf-8"))
    ]
    assert callers, f"nothing in streams/ calls Metrics.{method}: call it where it happens, or delete it"


def test_the_process_is_measured_beside_our_own_metrics() -> None:
    assert process_registry().get_sample_value("process_resident_memory_bytes")


def test_before_the_first_decision_the_abstain_ratio_is_not_a_number() -> None:
    abstentions = Abstentions()
    abstentions.add({Outcome.UNCHANGED: 5, Outcome.DEAD_LETTER: 1})
    assert math.isnan(abstentions.ratio())


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60),
    st.integers(1, 100),
)
def test_the_abstain_ratio_is_that_of_the_fewest_latest_batches_that_fill_the_window(
    batches: list[tuple[int, int]], window: int
) -> None:
    abstentions = Abstentions(window)
    for assigned, review in batches:
        abstentions.add({Outcome.ASSIGNED: assigned, Outcome.NEEDS_REVIEW: review})
    decisions = abstained = 0
    for assigned, review in reversed(batches):
        if decisions >= window:
            break
        decisions += assigned + review
        abstained += review
    if decisions:
        assert abstentions.ratio() == abstained / decisions
    else:
        assert math.isnan(abstentions.ratio())
