"""Connection settings become a client's configuration; a secret is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from streams.kafka.connection import KafkaConnection


def test_certificates_and_the_client_id_reach_the_client(tmp_path: Path) -> None:
    (ca := tmp_path / "ca.pem").touch()
    config = KafkaConnection(
        bootstrap_servers="k:9093", security_protocol="SSL", ssl_ca_location=ca, client_id="feed"
    ).client_config()
    assert config["ssl.ca.location"] == str(ca)
    assert config["client.id"] == "feed"
    assert "sasl.mechanism" not in config


def test_overrides_win() -> None:
    connection = KafkaConnection(bootstrap_servers="k:9092")
    assert connection.producer_config({"linger.ms": 0})["linger.ms"] == 0
    assert connection.consumer_config("g", {"auto.offset.reset": "latest"})["auto.offset.reset"] == "latest"


@pytest.mark.parametrize(
    "fields",
    [
        {"sasl_pasword": "hunter2"},
        {"security_protocol": "hunter2"},
        {"security_protocol": "SASL_SSL", "sasl_password": "hunter2"},
    ],
)
def test_an_error_in_the_settings_does_not_show_the_secret(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        KafkaConnection.model_validate(fields)
    assert "hunter2" not in str(caught.value)


def test_an_incomplete_login_names_what_is_missing() -> None:
    with pytest.raises(ValidationError, match="SASL_SSL needs sasl_mechanism, sasl_password too"):
        KafkaConnection(security_protocol="SASL_SSL", sasl_username="feed")


def test_a_login_that_would_be_sent_nowhere_is_refused() -> None:
    with pytest.raises(ValidationError, match="sasl_password would not be used: security_protocol is PLAINTEXT"):
        KafkaConnection(sasl_password=SecretStr("hunter2"))


def test_a_certificate_that_is_not_there_or_would_not_be_used_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(ValidationError, match=f"ssl_ca_location {missing} is not there"):
        KafkaConnection(security_protocol="SSL", ssl_ca_location=missing)
    missing.touch()
    with pytest.raises(ValidationError, match="ssl_ca_location would not be used: security_protocol is PLAINTEXT"):
        KafkaConnection(ssl_ca_location=missing)


def test_a_folder_is_not_taken_for_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=f"ssl_ca_location {tmp_path} is not a file"):
        KafkaConnection(security_protocol="SSL", ssl_ca_location=tmp_path)


@pytest.mark.parametrize(
    ("given", "missing"),
    [("ssl_certificate_location", "ssl_key_location"), ("ssl_key_location", "ssl_certificate_location")],
)
def test_a_certificate_and_its_key_are_given_together(tmp_path: Path, given: str, missing: str) -> None:
    (file := tmp_path / "client.pem").touch()
    with pytest.raises(ValidationError, match=f"{given} needs {missing} too"):
        KafkaConnection.model_validate({"security_protocol": "SSL", given: file})
