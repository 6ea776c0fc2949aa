"""Check the rights on topics and groups before anything waits in vain because of a missing one."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import ShelfwiseError
from streams.kafka.connection import KafkaConnection
from streams.kafka.quiet import Quiet

_SECONDS: Final = 10.0
UNAUTHORIZED: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
_NOT_YET: Final = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
_ASK_AGAIN_SECONDS: Final = 0.1

Kind = Literal["topic", "group"]


class Right(NamedTuple):
    """The right to an operation of Kafka's access control lists on a topic or a group."""

    operation: Literal["READ", "WRITE", "DESCRIBE"]
    kind: Kind
    name: str


def check_rights(connection: KafkaConnection, needed: Collection[Right]) -> None:
    """Raise :class:`ShelfwiseError` if any of the needed rights is missing, and name all of these.

    Unknown rights count as granted: those on a topic that does not exist yet, or if a broker without access
    control does not report them. Raises :class:`schemas.errors.KafkaUnavailable` if no broker answers.
    """
    quiet = Quiet(connection)
    admin: AdminClient = quiet.make(AdminClient, connection.client_config())
    quiet.awaited_metadata(admin)
    how: dict[str, Any] = {"include_authorized_operations": True, "request_timeout": _SECONDS}
    # Send the requests for topics and groups before waiting for any answer.
    topics = admin.describe_topics(TopicCollection(_names(needed, "topic")), **how)
    groups = _groups(admin, _names(needed, "group"), how)
    granted: dict[Kind, Mapping[str, frozenset[str]]] = {"topic": _granted(topics), "group": _granted(groups)}
    missing = {
        right
        for right in needed
        if right.name in granted[right.kind] and right.operation not in granted[right.kind][right.name]
    }
    if missing:
        who = "this client" if connection.sasl_username is None else f"user {connection.sasl_username}"
        raise ShelfwiseError(
            f"{who} may not {_told(missing)}; grant it these operations at {connection.bootstrap_servers}, as"
            " docs/guarantees.md, Rights in Kafka, lists them"
        )


def _groups(admin: AdminClient, names: list[str], how: dict[str, Any]) -> Mapping[str, Any]:
    """Return the answers about groups; ask again while no broker coordinates them yet, as on a new cluster."""
    deadline = time.monotonic() + _SECONDS
    while True:
        answers = admin.describe_consumer_groups(names, **how)
        errors = [answer.exception() for answer in answers.values()]
        waits = any(isinstance(each, KafkaException) and each.args[0].code() in _NOT_YET for each in errors)
        if not waits or time.monotonic() >= deadline:
            return answers
        time.sleep(_ASK_AGAIN_SECONDS)


def _names(rights: Collection[Right], kind: Kind) -> list[str]:
    return sorted({right.name for right in rights if right.kind == kind})


def _granted(answers: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the operations granted on each topic or group, as far as the broker reports them."""
    found = {}
    for name, answer in answers.items():
        try:
            operations = answer.result().authorized_operations
        except KafkaException as error:
            if error.args[0].code() in UNAUTHORIZED:
                found[name] = frozenset[str]()
            continue
        if operations is not None:
            found[name] = frozenset(operation.name for operation in operations)
    return found


def _told(missing: Collection[Right]) -> str:
    """Describe the missing rights by operation; READ or WRITE includes DESCRIBE."""
    named: defaultdict[tuple[str, Kind], list[str]] = defaultdict(list)
    more = {(right.kind, right.name) for right in missing if right.operation != "DESCRIBE"}
    for right in sorted(missing):
        if right.operation != "DESCRIBE" or (right.kind, right.name) not in more:
            named[right.operation, right.kind].append(right.name)
    return "; ".join(f"{operation} {kind} {', '.join(names)}" for (operation, kind), names in named.items())
