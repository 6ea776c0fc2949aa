"""Settings, parsed once at start-up from the ``SHELFWISE_*`` environment variables."""

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
# Read only by tests.
_OTHERS: Final = "SHELFWISE_TEST_"
_DATA: Final = "SHELFWISE_DATA"
# Kubernetes puts the address of every Service in the namespace into each pod, also that of one named shelfwise:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK: Final = re.compile(
    r"SHELFWISE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
_SERVICE_ADDRESS: Final = re.compile(r"(?:tcp|udp|sctp)://[^/]+:\d+")
# One call of the model decides a batch of each partition, and costs least per product with a few hundred products:
# with fewer partitions, batches are larger.
_PRODUCTS_AT_ONCE: Final = 512
_LEAST_BATCH_PRODUCTS: Final = 64


class Settings(BaseSettings):
    """Everything that an operator may set.

    The variable of a nested field is named like ``SHELFWISE_KAFKA__BOOTSTRAP_SERVERS``.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=_NESTED, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    kafka: KafkaConnection = KafkaConnection()
    bundle: Path = Path("var/bundle")
    """The model bundle that workers load."""
    bundle_poll_seconds: Annotated[float, Field(ge=0, le=3_600)] = 10.0
    """How often a worker checks for another bundle at that path, to switch to it; 0 turns this off."""
    bundle_overlap_seconds: Annotated[float, Field(ge=0, le=3_600)] = 30.0
    """How long after another bundle is loaded recall switches to it.

    At least the poll interval plus the loading time of the slowest worker.
    """
    require_gate: bool = False
    """Refuse a bundle that `shelfwise gate` has not accepted; one that it rejected is refused in any case."""
    force_rejected_bundle: Annotated[str, Field(max_length=500)] = ""
    """The reason for loading a bundle that the gate would refuse; it is recorded in the bundle."""
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    """A prefix for the names of all topics and consumer groups: several installations may share a cluster."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = DEFAULT_PARTITIONS
    """The number of partitions of every topic: the same for all, as a batch keeps its partition number."""
    replication_factor: Annotated[int, Field(ge=1, le=10)] = 1

    batch_products: Annotated[int, Field(ge=1, le=5_000)] | None = None
    """The most products in a micro-batch; if not set, :meth:`most_products` chooses."""
    linger_ms: Annotated[int, Field(ge=0, le=50)] = 5
    """How long, in milliseconds, a read waits for more events; under load batches fill by themselves.

    A longer wait would delay completions, and the heartbeat with them.
    """
    window_batches: Annotated[int, Field(ge=1, le=1_000)] = 8
    """The most micro-batches of a partition in flight, which is the backpressure."""
    completion_timeout_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """A batch that is not completed after this is sent again, the next time after twice as long, and so on."""
    batch_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """A batch is split after so many attempts, until an event that fails is alone and becomes a dead letter."""
    breaker_events: Annotated[int, Field(ge=10, le=1_000_000)] = 1_000
    """How many of the latest events the circuit breaker of intake considers."""
    breaker_failed_ratio: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Intake stops if more than this share of them failed in recall or ranking; 1 never stops it."""
    breaker_invalid_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Intake stops if more than this share of them broke their contract; 1 never stops it."""
    breaker_pause_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long intake then waits before it tries a few events; twice as long each time that these fail."""
    session_timeout_seconds: Annotated[float, Field(ge=1, le=300)] = 15.0
    """A worker from which Kafka has not heard for this long loses its partitions to others."""
    instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=200)] | None = None
    """The id for Kafka's static membership; each worker needs its own, such as its pod's name.

    A worker that returns under its id within the session timeout gets its partitions back as it left them, and no
    other worker notices.
    """
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 20.0
    """The longest wait after SIGTERM for batches in flight."""

    learning: bool = True
    """Whether assignments and verdicts change the statistics, and whether these and standing verdicts are read."""
    learning_min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Assignments below this confidence change nothing."""

    table_store: Literal["rocksdict://", "memory://"] = "rocksdict://"
    """Where tables are kept: on disk (RocksDB), or in memory, read from their changelogs at every start."""
    data_dir: Path = Path("var/worker")
    """Where workers keep their tables; each process takes a directory in it that no other process holds."""
    table_memory_mib: Annotated[int, Field(ge=16, le=1_048_576)] = 256
    """The memory in MiB for a stage's tables on disk: blocks, indexes, filters and write buffers."""
    table_standby_replicas: Annotated[int, Field(ge=0, le=10)] = 0
    """How many other workers follow each partition of the tables on disk, so that they can take over quickly."""

    metrics_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 9_464
    """The port of /metrics, /healthz and /readyz; 0 takes a free one."""
    stall_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """A loop without progress for this long is stalled, and /healthz reports it."""

    def topic(self, topic: Topic) -> str:
        """Return the topic's name in this installation."""
        return self.topic_prefix + topic.name

    def group(self, name: str) -> str:
        """Return a consumer group's name in this installation."""
        return f"{self.topic_prefix}shelfwise-{name}"

    def member_config(self, name: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the configuration of a librdkafka consumer that is a member of the group of this name.

        Its partitions are assigned by range, so it gets the same partition numbers of several topics.
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

    def most_products(self, partitions: int) -> int:
        """Return the most products in a micro-batch of an intake that owns so many partitions."""
        if self.batch_products is not None:
            return self.batch_products
        return max(_LEAST_BATCH_PRODUCTS, _PRODUCTS_AT_ONCE // max(partitions, 1))

    def observer_config(self, name: str) -> dict[str, Any]:
        """Return the configuration of a consumer that asks what the group of this name has committed.

        It never joins the group and is never polled. Its logging is off, because librdkafka's log lines would only
        be printed when it is closed; calls report their own failures.
        """
        return self.kafka.consumer_config(self.group(name), {"log_level": 0})

    def environment(self) -> dict[str, str]:
        """Return the environment variables that pass these settings, including secrets, to a process we start."""
        nested = dict(self.kafka)
        given = {name: value for name, value in self if name != "kafka"}
        given |= {f"kafka{_NESTED}{name}": value for name, value in nested.items()}
        others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return others | {
            f"{PREFIX}{name}".upper(): _text(value) for name, value in given.items() if value is not None
        }

    @classmethod
    def load(cls) -> Self:
        """Parse the environment; raises :class:`InvalidSettings`, which names the variable but never a secret."""
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
            # Compared without the prefix, which alone makes any two names look similar.
            near = difflib.get_close_matches(
                name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], 1
            )
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else "; the README lists those that there are"
            raise InvalidSettings(f"unknown setting {name}{hint}")
