"""Which Kafka is used, and what is said where there is none."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from schemas.errors import KafkaUnavailable
from streams.kafka import cluster, jars
from streams.kafka.connection import KafkaConnection


def test_the_configured_cluster_comes_first() -> None:
    with cluster.open_cluster(KafkaConnection(bootstrap_servers="kafka.example:9092")) as found:
        assert (found.how, found.bootstrap_servers) == ("configured", "kafka.example:9092")


def test_a_docker_engine_comes_before_the_jars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "start_container", lambda _: "127.0.0.1:1")
    with cluster.open_cluster(KafkaConnection()) as found:
        assert (found.how, found.bootstrap_servers) == ("container", "127.0.0.1:1")


def test_without_any_kafka_one_message_names_the_three_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_container(stack: object) -> str:
        raise KafkaUnavailable("no Docker container: no Docker engine answers")

    monkeypatch.setattr(cluster, "start_container", no_container)
    monkeypatch.setattr("streams.kafka.local.java_problem", lambda: "no `java` on the PATH")
    with pytest.raises(KafkaUnavailable) as caught, cluster.open_cluster(KafkaConnection()):
        pass
    text = str(caught.value)
    assert "SHELFWISE_KAFKA__BOOTSTRAP_SERVERS" in text
    assert "no Docker engine answers" in text
    assert "no `java` on the PATH" in text


def test_an_old_java_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        stderr = 'openjdk version "11.0.2" 2019-01-15'

    monkeypatch.setattr("streams.kafka.jars.shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("streams.kafka.jars.subprocess.run", lambda *_, **__: Answer())
    assert jars.java_problem() == "Java 11 is too old: 17 or newer is needed"


def test_credentials_reach_the_client_and_never_the_log() -> None:
    connection = KafkaConnection(
        bootstrap_servers="k:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="feed",
        sasl_password=SecretStr("hunter2"),
    )
    config = connection.client_config()
    assert (config["sasl.password"], config["security.protocol"]) == ("hunter2", "SASL_SSL")
    assert "hunter2" not in repr(connection)
    assert "hunter2" not in str(connection.model_dump())
