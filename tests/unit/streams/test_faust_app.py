"""Our Faust applications keep what was fetched, and log in as the settings say."""

from __future__ import annotations

from pathlib import Path

import faust
import pytest
from mode.utils.queues import FlowControlQueue
from pydantic import SecretStr

from streams.faust_app import build_app
from streams.faust_guards import GuardedFlowControl
from streams.kafka.connection import KafkaConnection
from streams.settings import Settings
from streams.tables import product_digests


def _settings(tmp_path: Path, connection: KafkaConnection) -> Settings:
    return Settings(kafka=connection, topic_prefix="t.", partitions=3, data_dir=tmp_path)


async def test_a_second_resume_keeps_what_was_fetched_after_the_first() -> None:
    control = GuardedFlowControl()
    queue: FlowControlQueue[str] = FlowControlQueue(flow_control=control, clear_on_resume=True)
    control.resume()
    await queue.put("fetched")
    control.resume()
    assert queue.qsize() == 1


def test_a_table_is_not_written_in_the_way_of_faust(tmp_path: Path) -> None:
    table = product_digests(build_app(_settings(tmp_path, KafkaConnection(bootstrap_servers="k:9092")), "recall"))
    with pytest.raises(RuntimeError, match="by its partitions alone"):
        table[b"lamp"] = b"one"


async def test_resuming_after_a_suspension_drops_what_was_queued_before_it() -> None:
    control = GuardedFlowControl()
    queue: FlowControlQueue[str] = FlowControlQueue(flow_control=control, clear_on_resume=True)
    control.resume()
    await queue.put("of an old assignment")
    control.suspend()
    control.resume()
    assert (queue.qsize(), control.is_active()) == (0, True)


def test_a_session_may_last_as_long_as_the_settings_allow(tmp_path: Path) -> None:
    settings = _settings(tmp_path, KafkaConnection(bootstrap_servers="k:9092"))
    conf = build_app(settings.model_copy(update={"session_timeout_seconds": 300.0}), "recall").conf
    assert conf.broker_request_timeout >= conf.broker_session_timeout == 300


def test_an_application_has_the_names_and_sizes_of_the_installation(tmp_path: Path) -> None:
    app = build_app(_settings(tmp_path, KafkaConnection(bootstrap_servers="one:1,two:2")), "recall")
    assert app.conf.id == "t.shelfwise-recall"
    assert app.conf.topic_partitions == 3
    assert [str(url) for url in app.conf.broker] == ["kafka://one:1", "kafka://two:2"]
    assert not app.conf.web_enabled
    assert app.conf.broker_client_id == "shelfwise-recall"


def test_an_application_makes_no_topics_which_takes_a_right_of_its_own(tmp_path: Path) -> None:
    app = build_app(_settings(tmp_path, KafkaConnection(bootstrap_servers="one:1")), "recall")
    assert not app.conf.topic_allow_declare


def test_an_application_logs_in_over_tls(tmp_path: Path) -> None:
    connection = KafkaConnection(
        bootstrap_servers="one:1",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="feeds",
        sasl_password=SecretStr("not shown"),
    )
    credentials = build_app(_settings(tmp_path, connection), "ranking").conf.broker_credentials
    assert isinstance(credentials, faust.SASLCredentials)
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert (credentials.username, credentials.password) == ("feeds", "not shown")
    assert credentials.ssl_context is not None
    assert "not shown" not in repr(credentials)


def test_tls_without_a_password_is_tls(tmp_path: Path) -> None:
    connection = KafkaConnection(bootstrap_servers="one:1", security_protocol="SSL")
    credentials = build_app(_settings(tmp_path, connection), "ranking").conf.broker_credentials
    assert isinstance(credentials, faust.SSLCredentials)
