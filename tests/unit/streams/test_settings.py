"""Settings are parsed once, from the environment; what is unknown or wrong is named, and no secret is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidSettings
from streams.kafka.connection import KafkaConnection
from streams.settings import PREFIX, Settings


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as caught:
        Settings.load()
    return str(caught.value)


def test_a_variable_sets_the_field_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFWISE_KAFKA__BOOTSTRAP_SERVERS", "k:9092")
    monkeypatch.setenv("SHELFWISE_DATA_DIR", "/tables")
    settings = Settings.load()
    assert settings.kafka.bootstrap_servers == "k:9092"
    assert settings.data_dir == Path("/tables")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SHELFWISE_BATCH_PRODUCT", "SHELFWISE_BATCH_PRODUCTS"),
        ("SHELFWISE_DATA_DIRECTORY", "SHELFWISE_DATA_DIR"),
        ("SHELFWISE_KAFKA__BOOTSTRAP_SERVER", "SHELFWISE_KAFKA__BOOTSTRAP_SERVERS"),
    ],
)
def test_a_variable_that_is_none_of_ours_is_an_error_that_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    assert refused(monkeypatch, name, "1") == f"unknown setting {name}; did you mean {meant}?"


def test_a_variable_that_is_like_none_of_ours_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, "SHELFWISE_FOO", "1")
    assert told == "unknown setting SHELFWISE_FOO; the README lists those that there are"


@pytest.mark.parametrize("name", ["SHELFWISE_DATA", "SHELFWISE_TEST_MINILM"])
def test_what_only_tests_and_benchmarks_read_is_let_be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "somewhere")
    assert Settings.load() == Settings()


@pytest.mark.parametrize(("name", "value"), [("SHELFWISE_LINGER_MS", "51"), ("SHELFWISE_PARTITIONS", "eight")])
def test_a_value_that_does_not_fit_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert refused(monkeypatch, name, value).startswith(f"{name}: Input should be")


def test_an_error_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFWISE_KAFKA__SASL_PASSWORD", "hunter2")
    assert "hunter2" not in refused(monkeypatch, "SHELFWISE_KAFKA__SECURITY_PROTOCOL", "SASL_SSLL")
    assert "hunter2" not in refused(monkeypatch, "SHELFWISE_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")


def test_batches_are_larger_the_fewer_partitions_a_worker_has() -> None:
    partitions = (0, 1, 2, 4, 8, 64)
    assert [Settings().most_products(count) for count in partitions] == [512, 512, 256, 128, 64, 64]
    assert {Settings(batch_products=5).most_products(count) for count in partitions} == {5}


def test_the_ids_of_all_clients_begin_as_the_operator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFWISE_KAFKA__CLIENT_ID", "catalogue")
    assert Settings.load().member_config("intake")["client.id"] == "catalogue-intake"


@given(
    learning=st.booleans(),
    partitions=st.integers(1, 10_000),
    linger_ms=st.integers(0, 50),
    learning_min_confidence=st.floats(0, 1),
    topic_prefix=st.from_regex(r"[A-Za-z0-9._-]{0,100}", fullmatch=True),
    force_rejected_bundle=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=500),
    instance_id=st.none() | st.just("shelf-1"),
    data_dir=st.sampled_from([Path("/tables"), Path("in here")]),
)
def test_a_process_that_we_start_has_our_settings(**fields: Any) -> None:
    secured: dict[str, Any] = {
        "bootstrap_servers": "k:9092",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "feed",
        "sasl_password": "hunter 2",
    }
    settings = Settings(kafka=KafkaConnection(**secured), **fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHELFWISE_BATCH_PRODUCTS", "7")
        given_to_it = settings.environment()
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        for name, value in given_to_it.items():
            patch.setenv(name, value)
        assert Settings.load() == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHELFWISE_SERVICE_HOST", "10.0.0.7"),
        ("SHELFWISE_SERVICE_PORT", "9464"),
        ("SHELFWISE_SERVICE_PORT_METRICS", "9464"),
        ("SHELFWISE_PORT", "tcp://10.0.0.7:9464"),
        ("SHELFWISE_PORT_9464_TCP_ADDR", "10.0.0.7"),
        ("SHELFWISE_WORKERS_SERVICE_HOST", "10.0.0.7"),
    ],
)
def test_a_service_of_kubernetes_with_our_name_keeps_no_worker_from_starting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert Settings.load() == Settings()


def test_a_service_whose_address_stands_where_a_setting_is_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(monkeypatch, "SHELFWISE_METRICS_PORT", "tcp://10.0.0.7:9464")
    assert "enableServiceLinks: false" in message
