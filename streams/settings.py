"""Settings: parsed once, at start-up, from ``SHELFWISE_*`` variables of the environment."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import InvalidSettings
from schemas.topics import DEFAULT_PARTITIONS, Topic
from streams.kafka.connection import KafkaConnection

PREFIX: Final = "SHELFWISE_"
_NESTED: Final = "__"
# Read by tests alone.
_OTHERS: Final = "SHELFWISE_TEST_"
_DATA: Final = "SHELFWISE_DATA"
# Kubernetes puts the address of every Service of the namespace into each pod, of one named shelfwise too:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK: Final = re.compile(
    r"SHELFWISE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
_SERVICE_ADDRESS: Final = re.compile(r"(?:tcp|udp|sctp)://[^/]+:\d+")


class Settings(BaseSettings):
    """Everything that an operator may set. A nested field's variable is ``SHELFWISE_KAFKA__BOOTSTRAP_SERVERS``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=_NESTED, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    kafka: KafkaConnection = KafkaConnection()
    bundle: Path = Path("var/bundle")
    """The model bundle that workers load."""
    bundle_poll_seconds: Annotated[float, Field(ge=0, le=3_600)] = 10.0
    """How often a worker looks whether another bundle lies there, to decide with that; 0 never."""
    bundle_overlap_seconds: Annotated[float, Field(ge=0, le=3_600)] = 30.0
    """How long after loading it: at least the poll and the loading of the slowest worker."""
    require_gate: bool = False
    """Refuse a bundle that `shelfwise gate` has not accepted; one that it rejected is refused in any case."""
    force_rejected_bundle: Annotated[str, Field(max_length=500)] = ""
    """Why a bundle that the gate would not let pass is loaded all the same; recorded in the bundle."""
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    """Goes before every topic's and consumer group's name: several installations may share a cluster."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = DEFAULT_PARTITIONS
    """Partitions of every topic; they are equal, since a batch keeps its partition number all the way."""
    replication_factor: Annotated[int, Field(ge=1, le=10)] = 1

    batch_products: Annotated[int, Field(ge=1, le=5_000)] = 64
    """The most products of a micro-batch."""
    linger_ms: Annotated[int, Field(ge=0, le=50)] = 5
    """How long, in milliseconds, a read waits for more events; under load batches fill by themselves. A longer
    wait would hold up completions, and the heartbeat with them."""
    window_batches: Annotated[int, Field(ge=1, le=1_000)] = 8
    """The most micro-batches of a partition in flight: the backpressure."""
    completion_timeout_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """A batch whose completion has not come back after this is sent again, then after twice as long, and so on."""
    batch_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """After so many a batch is split, until the event that cannot be done is alone and becomes a dead letter."""
    breaker_events: Annotated[int, Field(ge=10, le=1_000_000)] = 1_000
    """The latest events by which the circuit breaker of intake goes."""
    breaker_failed_ratio: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Intake stops when more than this share of them failed in recall or ranking; 1 never stops it."""
    breaker_invalid_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Intake stops when more than this share of them broke their contract; 1 never stops it."""
    breaker_pause_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long intake then waits before it tries a few events; twice as long each time that these fail."""
    session_timeout_seconds: Annotated[float, Field(ge=1, le=300)] = 15.0
    """A worker that Kafka has not heard of for this long loses its partitions to others."""
    instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=200)] | None = None
    """Kafka's static membership: a worker that comes back under its id, within the session timeout, finds its
    partitions as it left them, and no other worker notices. Each worker needs its own, such as its pod's name."""
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 20.0
    """After SIGTERM: the longest wait for what is in flight."""

    learning: bool = True
    """Whether assignments and verdicts move the statistics."""
    learning_min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Assignments below this confidence move nothing."""

    table_store: Literal["rocksdict://", "memory://"] = "rocksdict://"
    """Where tables lie: on disk (RocksDB), or in memory, read from their changelogs at every start."""
    data_dir: Path = Path("var/worker")
    """Where workers keep their tables; each process takes a directory in it that no other one holds."""
    table_memory_mib: Annotated[int, Field(ge=16, le=1_048_576)] = 256
    """What a stage's tables on disk may keep in memory, in MiB: blocks, indexes, filters and write buffers."""
    table_standby_replicas: Annotated[int, Field(ge=0, le=10)] = 0
    """How many other workers follow each partition of the tables on disk, to take it over with little to read."""

    metrics_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 9_464
    """Port of /metrics, /healthz and /readyz; 0 takes a free one."""
    stall_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """A loop that has not turned for this long is stalled: /healthz says so."""

    def topic(self, topic: Topic) -> str:
        """Return the topic's name in this installation."""
        return self.topic_prefix + topic.name

    def group(self, name: str) -> str:
        """Return a consumer group's name in this installation."""
        return f"{self.topic_prefix}shelfwise-{name}"

    def member_config(self, name: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the configuration of a librdkafka consumer that is a member of the group of this name.

        Its partitions are assigned by range: of several topics it gets the same numbers.
        """
        session_ms = int(self.session_timeout_seconds * 1000)
        static = {} if self.instance_id is None else {"group.instance.id": self.instance_id}
        membership = {
            "client.id": self.kafka.client_id_of(name),
            "partition.assignment.strategy": "range",
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": session_ms // 4,
            "log_level": 3,
        }
        return self.kafka.consumer_config(self.group(name), {**membership, **static, **(overrides or {})})

    def observer_config(self, name: str) -> dict[str, Any]:
        """Return the configuration of a consumer that asks what the group of this name has committed.

        It never joins the group, and is never polled: what librdkafka logs would come out when it is closed. What
        fails is told by the call.
        """
        return self.kafka.consumer_config(self.group(name), {"log_level": 0})

    def environment(self) -> dict[str, str]:
        """Return the environment that gives these settings, secrets among them, to a process that we start."""
        nested = dict(self.kafka)
        given = {name: value for name, value in self if name != "kafka"}
        given |= {f"kafka{_NESTED}{name}": value for name, value in nested.items()}
        others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return others | {
            f"{PREFIX}{name}".upper(): _text(value) for name, value in given.items() if value is not None
        }

    @classmethod
    def load(cls) -> Self:
        """Parse the environment; raises :class:`InvalidSettings` that names the variable, never a secret."""
        _refuse_unknown()
        try:
            return cls()
        except ValidationError as error:
            problems = [
                f"{PREFIX}{_NESTED.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            ]
            raise InvalidSettings("; ".join(problems)) from None


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _refuse_unknown() -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields if name != "kafka"}
    known |= {f"{PREFIX}KAFKA{_NESTED}{name}".upper() for name in KafkaConnection.model_fields}
    for name, value in os.environ.items():
        if name in known and _SERVICE_ADDRESS.fullmatch(value):
            raise InvalidSettings(
                f"{name} is {value}, which Kubernetes sets for a Service of this name; set"
                f" enableServiceLinks: false for the pod, or {name} itself"
            )
        if _SERVICE_LINK.fullmatch(name):
            continue
        if name.startswith(PREFIX) and not name.startswith(_OTHERS) and name not in known | {_DATA}:
            # Without the prefix, which alone makes any two of them look alike.
            near = difflib.get_close_matches(
                name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], 1
            )
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else "; the README lists those that there are"
            raise InvalidSettings(f"unknown setting {name}{hint}")
