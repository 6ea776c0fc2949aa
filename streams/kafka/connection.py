"""Connection settings, and the client configurations made from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

# The largest message size of any topic (schemas.topics), in bytes.
MAX_MESSAGE_BYTES: Final = 16_777_216


class KafkaConnection(BaseModel):
    """The address of Kafka and how to log in; fields are named as in librdkafka and Kafka."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bootstrap_servers: str | None = None
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: Path | None = None
    ssl_certificate_location: Path | None = None
    ssl_key_location: Path | None = None
    client_id: str = "shelfwise"

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        needed = ("sasl_mechanism", "sasl_username", "sasl_password")
        if self.security_protocol.startswith("SASL_"):
            if missing := [name for name in needed if getattr(self, name) is None]:
                raise ValueError(f"security_protocol {self.security_protocol} needs {', '.join(missing)} too")
        elif given := [name for name in needed if getattr(self, name) is not None]:
            unused = ", ".join(given)
            raise ValueError(
                f"{unused} would not be used: security_protocol is {self.security_protocol}, set SASL_SSL"
            )
        return self

    @model_validator(mode="after")
    def _tls_files_can_be_read(self) -> Self:
        given = {
            name: path
            for name in ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location")
            if (path := getattr(self, name)) is not None
        }
        if given and not self.security_protocol.endswith("SSL"):
            raise ValueError(
                f"{', '.join(given)} would not be used: security_protocol is {self.security_protocol}, set SSL or"
                " SASL_SSL"
            )
        for name, path in given.items():
            if not os.access(path, os.R_OK):
                raise ValueError(f"{name} {path} is not there, or cannot be read")
            if not path.is_file():
                raise ValueError(f"{name} {path} is not a file; name one in PEM format")
        return self

    @model_validator(mode="after")
    def _certificate_and_key_are_given_together(self) -> Self:
        certificate, key = self.ssl_certificate_location, self.ssl_key_location
        if (certificate is None) != (key is None):
            given, missing = "ssl_certificate_location", "ssl_key_location"
            if certificate is None:
                given, missing = missing, given
            raise ValueError(f"{given} needs {missing} too; one file may hold both")
        return self

    def client_id_of(self, name: str) -> str:
        """Return the id of one of several clients, which brokers use in their logs and quotas."""
        return f"{self.client_id}-{name}"

    def client_config(self, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the configuration of a confluent-kafka client, under librdkafka's names."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "client.id": self.client_id,
        }
        optional = {
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password.get_secret_value() if self.sasl_password else None,
            "ssl.ca.location": self.ssl_ca_location,
            "ssl.certificate.location": self.ssl_certificate_location,
            "ssl.key.location": self.ssl_key_location,
        }
        config |= {name: str(value) for name, value in optional.items() if value is not None}
        return config | dict(overrides or {})

    def producer_config(self, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the configuration of an idempotent producer that partitions keys like the Java clients."""
        defaults = {
            "enable.idempotence": True,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "linger.ms": 2,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
        }
        return self.client_config(defaults | dict(overrides or {}))

    def consumer_config(self, group: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the configuration of a consumer with manual commits that starts at the earliest offset."""
        defaults = {
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
        }
        return self.client_config(defaults | dict(overrides or {}))
