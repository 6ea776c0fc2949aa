"""Clients that log nothing: what troubles them comes with the error of the call that it fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

from schemas.errors import InvalidSettings, KafkaUnavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.refusals import refusal, unreachable

Client = TypeVar("Client")

# Each wait is twice as long as the one before: a slow broker has time to answer, and a refusal is seen soon.
_FIRST_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.1
_AT_ONCE_SECONDS: Final = 1.0
_AWAITED_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


class Quiet:
    """Makes one client, and remembers what it was told last."""

    def __init__(self, connection: KafkaConnection) -> None:
        """``connection`` is the client's, to be named in errors."""
        self._connection: Final = connection
        self._trouble: KafkaError | None = None

    def make(self, kind: Callable[[dict[str, Any]], Client], config: Mapping[str, Any]) -> Client:
        """Return a client; raises :class:`InvalidSettings` where librdkafka refuses its configuration."""
        try:
            return kind({**config, "log_level": 0, "error_cb": self._note})
        except KafkaException as error:
            raise InvalidSettings(f"Kafka's client refuses the settings: {error.args[0].str()}") from None

    def metadata(self, client: Any, seconds: float) -> Any:
        """Return what ``list_topics`` says; raises :class:`KafkaUnavailable` where nothing answers in time.

        Raises :class:`InvalidSettings` as soon as a broker refuses us, or we refuse it: waiting would not help.
        """
        deadline = time.monotonic() + seconds
        patience = _FIRST_SECONDS
        while True:
            try:
                return client.list_topics(timeout=min(patience, max(deadline - time.monotonic(), _PAUSE_SECONDS)))
            except KafkaException as error:
                client.poll(0)  # librdkafka tells of errors there
                trouble = self._trouble or error.args[0]
            if refused := refusal(self._connection, trouble):
                raise InvalidSettings(refused)
            if time.monotonic() + _PAUSE_SECONDS >= deadline:
                raise KafkaUnavailable(unreachable(self._connection, trouble))
            time.sleep(_PAUSE_SECONDS)
            patience *= 2

    def awaited_metadata(self, client: Any) -> Any:
        """Return as :meth:`metadata` does; say so, and why, where the cluster lets us wait."""
        try:
            return self.metadata(client, _AT_ONCE_SECONDS)
        except KafkaUnavailable as error:
            address, seconds = self._connection.bootstrap_servers, _AWAITED_SECONDS
            _log.warning("waiting for Kafka at %s, %.0f s at most: %s", address, seconds, error)
        return self.metadata(client, _AWAITED_SECONDS)

    def _note(self, error: KafkaError) -> None:
        # That all brokers are down follows each, and says less.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._trouble = error
