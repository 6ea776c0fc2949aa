"""Whether the brokers take the session timeout that the settings say."""

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
    """Raise :class:`InvalidSettings` where the brokers let no member of a group have this session timeout.

    Its consumer would try to join for ever. To read what brokers are set to is a right of its own: where that is
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
    """Return the least and the most, in seconds, of any broker: those of a cluster are taken to be alike."""
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
