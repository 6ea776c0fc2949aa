"""Clients that log nothing: what troubles them comes with the error of the call that it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

from schemas.errors import InvalidSettings, KafkaUnavailable

Client = TypeVar("Client")


class Quiet:
    """Makes one client, and remembers what it was told last."""

    def __init__(self, address: str | None) -> None:
        """``address`` is the cluster's, to be named in errors."""
        self._address: Final = address
        self._trouble = ""

    def make(self, kind: Callable[[dict[str, Any]], Client], config: Mapping[str, Any]) -> Client:
        """Return a client; raises :class:`InvalidSettings` where librdkafka refuses its configuration."""
        try:
            return kind({**config, "log_level": 0, "error_cb": self._note})
        except KafkaException as error:
            raise InvalidSettings(f"Kafka's client refuses the settings: {error.args[0].str()}") from None

    def metadata(self, client: Any, seconds: float) -> Any:
        """Return what ``list_topics`` says; raises :class:`KafkaUnavailable` where nothing answers in time."""
        try:
            return client.list_topics(timeout=seconds)
        except KafkaException as error:
            client.poll(0)  # librdkafka tells of errors there
            reason = self._trouble or error.args[0].str()
            raise KafkaUnavailable(
                f"no Kafka answers at {self._address} ({reason}); is it running, and is this its address?"
            ) from None

    def _note(self, error: KafkaError) -> None:
        # That all brokers are down follows each, and says less.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._trouble = error.str()
