"""Check whether the brokers accept the session timeout in the settings."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from schemas.errors import InvalidSettings
from streams.kafka.connection import KafkaConnection
from streams.kafka.quiet import Quiet

_SECONDS: Final = 10.0
_LEAST: Final = "group.min.session.timeout.ms"
_MOST: Final = "group.max.session.timeout.ms"


def check_session_timeout(connection: KafkaConnection, seconds: float) -> None:
    """Raise :class:`InvalidSettings` if the brokers accept no group member with this session timeout.

    The consumer would try to join forever. Reading the brokers' configuration needs a right of its own; if that is
    refused, nothing is checked. Raises :class:`schemas.errors.KafkaUnavailable`.
    """
    bounds = _bounds(connection)
    if bounds is None or bounds[0] <= seconds <= bounds[1]:
        return
    raise InvalidSettings(
        f"SHELFWISE_SESSION_TIMEOUT_SECONDS is {seconds:g}, and the brokers at {connection.bootstrap_servers}"
        f" allow {bounds[0]:g} to {bounds[1]:g}; set one of these, or change the brokers' {_LEAST} and {_MOST}"
    )


def _bounds(connection: KafkaConnection) -> tuple[float, float] | None:
    """Return one broker's minimum and maximum in seconds; all brokers are assumed to be configured alike."""
    quiet = Quiet(connection)
    admin: AdminClient = quiet.make(AdminClient, connection.client_config())
    resource = ConfigResource(ResourceType.BROKER, str(min(quiet.metadata(admin, _SECONDS).brokers)))
    try:
        found: Any = admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
    except KafkaException:
        return None
    if _LEAST not in found or _MOST not in found:
        return None
    return float(found[_LEAST].value) / 1000, float(found[_MOST].value) / 1000
