"""Clients that log nothing; their errors are raised by the calls that fail instead."""

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

# Each wait is twice as long as the one before, so that refusals show quickly and slow brokers get enough time.
_FIRST_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.1
_AT_ONCE_SECONDS: Final = 1.0
_AWAITED_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


class Quiet:
    """Makes one client, and remembers its last error."""

    def __init__(self, connection: KafkaConnection) -> None:
        """``connection`` is the client's connection, for error messages."""
        self._connection: Final = connection
        self._trouble: KafkaError | None = None

    def make(self, kind: Callable[[dict[str, Any]], Client], config: Mapping[str, Any]) -> Client:
        """Return a client; raises :class:`InvalidSettings` if librdkafka refuses its configuration."""
        try:
            return kind({**config, "log_level": 0, "error_cb": self._note})
        except KafkaException as error:
            raise InvalidSettings(f"Kafka's client refuses the settings: {error.args[0].str()}") from None

    def metadata(self, client: Any, seconds: float) -> Any:
        """Return the result of ``list_topics``; raises :class:`KafkaUnavailable` if there is no answer in time.

        Raises :class:`InvalidSettings` as soon as a broker refuses us, or we refuse it, because waiting would not
        help.
        """
        deadline = time.monotonic() + seconds
        patience = _FIRST_SECONDS
        while True:
            try:
                return client.list_topics(timeout=min(patience, max(deadline - time.monotonic(), _PAUSE_SECONDS)))
            except KafkaException as error:
                client.poll(0)  # this lets librdkafka report its errors
                trouble = self._trouble or error.args[0]
            if refused := refusal(self._connection, trouble):
                raise InvalidSettings(refused)
            if time.monotonic() + _PAUSE_SECONDS >= deadline:
                raise KafkaUnavailable(unreachable(self._connection, trouble))
            time.sleep(_PAUSE_SECONDS)
            patience *= 2

    def awaited_metadata(self, client: Any) -> Any:
        """Return the same as :meth:`metadata`, but wait longer; log a warning if the cluster keeps us waiting."""
        try:
            return self.metadata(client, _AT_ONCE_SECONDS)
        except KafkaUnavailable as error:
            address, seconds = self._connection.bootstrap_servers, _AWAITED_SECONDS
            _log.warning("waiting for Kafka at %s, %.0f s at most: %s", address, seconds, error)
        return self.metadata(client, _AWAITED_SECONDS)

    def _note(self, error: KafkaError) -> None:
        # This error follows every other error, and says less.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._trouble = error
