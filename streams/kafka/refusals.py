"""Explain librdkafka's errors: why a cluster cannot be used, and which setting to check."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

from streams.kafka.connection import KafkaConnection

_SETTING: Final = "SHELFWISE_KAFKA__"
# How librdkafka reports a port that it cannot connect to or a host name that it cannot resolve.
_NOBODY_THERE: Final = ("Connect to ", "in state CONNECT)", "Failed to resolve")


def refusal(connection: KafkaConnection, error: KafkaError) -> str | None:
    """Return a message if waiting will not help, because login or certificates are refused; otherwise ``None``."""
    address, reason = connection.bootstrap_servers, error.str()
    if error.code() == KafkaError._AUTHENTICATION:
        return (
            f"Kafka at {address} refuses the login ({reason}); check {_SETTING}SASL_USERNAME,"
            f" {_SETTING}SASL_PASSWORD and {_SETTING}SASL_MECHANISM, and whether the port takes"
            f" {_SETTING}SECURITY_PROTOCOL={connection.security_protocol}"
        )
    # With TLS 1.3 the broker's alert arrives after the handshake, as a transport error.
    if "SSL routines" in reason and " alert " in reason:
        return (
            f"Kafka at {address} refuses the client's certificate, or that it has none ({reason}); check"
            f" {_SETTING}SSL_CERTIFICATE_LOCATION and {_SETTING}SSL_KEY_LOCATION"
        )
    if error.code() == KafkaError._SSL:
        return f"no TLS with Kafka at {address} ({reason}); check {_SETTING}SSL_CA_LOCATION"
    return None


def unreachable(connection: KafkaConnection, error: KafkaError) -> str:
    """Return the message for a cluster that has not answered in time."""
    address, reason = connection.bootstrap_servers, error.str()
    if any(sign in reason for sign in _NOBODY_THERE):
        return f"no Kafka answers at {address} ({reason}); is it running, and is this its address?"
    return (
        f"no Kafka answers at {address} ({reason}), though something may listen there; is it running, and does"
        f" this port take {_SETTING}SECURITY_PROTOCOL={connection.security_protocol}?"
    )
