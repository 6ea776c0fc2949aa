"""Faust applications, configured for messages that each hold a whole micro-batch."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, get_args

import faust
from faust.types import TopicT
from mode.utils.queues import FlowControlEvent
from yarl import URL

from schemas.errors import ShelfwiseError
from schemas.topics import CANDIDATES, PRODUCTS_BATCHED
from streams.faust_guards import GuardedConsumer, GuardedFlowControl
from streams.kafka.cluster_id import cluster_id
from streams.kafka.connection import MAX_MESSAGE_BYTES, KafkaConnection
from streams.lost import LostMessages
from streams.settings import Settings
from streams.state.changes import TableChanges
from streams.state.directory import TableDirectory
from streams.state.partitions import TablePartitions
from streams.state.recovery import BulkTableManager
from streams.state.stores import Budget
from streams.state.table import WatchedTable

Stage = Literal["intake", "recall", "ranking", "learning"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
"""All stages, in the order of the flow."""

# Checking whether debug messages are enabled, which these loggers do for every message, cost 14 % of the CPU time.
_LOUD_LOGGERS: Final = ("aiokafka", "faust", "mode")
_LAST_CHANGES_SECONDS: Final = 1.0
_REQUEST_SECONDS: Final = 90.0  # Faust's default


class FlowApp(faust.App):
    """A Faust application with guarded flow control, and with commits that do not stall."""

    # Otherwise the logger would have this module's name, and be as verbose as ours.
    logger = logging.getLogger("faust.flow")
    _guarded: GuardedFlowControl | None = None
    batch_topics: frozenset[str] = frozenset()
    _settings: Settings
    _stage: Stage
    _directory: TableDirectory | None = None

    def use(self, settings: Settings, stage: Stage) -> None:
        """Set what Faust's own settings have no place for."""
        self._settings = settings
        self._stage = stage
        self.batch_topics = frozenset({settings.topic(PRODUCTS_BATCHED), settings.topic(CANDIDATES)})
        self.table_changes = TableChanges(settings.kafka)
        self.lost: Mapping[str, LostMessages] = {}
        self.table_partitions = TablePartitions()

    @property
    def connection(self) -> KafkaConnection:
        """How to connect to the cluster without Faust."""
        return self._settings.kafka

    @property
    def table_directory(self) -> Path:
        """Where this process keeps the tables of its stage; claimed at first use.

        Tables of another installation must not be used, because their offsets refer to other changelogs; so the
        path holds the topic prefix and the cluster's id.
        """
        if self._directory is None:
            settings = self._settings
            installation = f"{settings.topic_prefix}{cluster_id(settings.kafka)}"
            self._directory = TableDirectory.claim(settings.data_dir / installation / self._stage)
        return self._directory.path

    @property
    def table_directory_gone(self) -> bool:
        """Whether the directory was removed or replaced since it was claimed."""
        return self._directory is not None and self._directory.gone

    @cached_property
    def table_budget(self) -> Budget:
        """The memory that all on-disk tables of the stage share."""
        return Budget(self._settings.table_memory_mib << 20)

    @property
    def settled(self) -> bool:
        """Whether partitions are assigned, their tables are recovered, and no rebalance is in progress."""
        return bool(self.tables.recovery.completed.is_set() and not self.rebalancing)

    @property
    def refusal(self) -> ShelfwiseError | None:
        """Why the consumer group will never take this application, or ``None``."""
        return None if self._consumer is None else self._consumer.refusal

    async def on_stop(self) -> None:
        """Stop, and release the tables' directory for another process."""
        await super().on_stop()
        await asyncio.get_running_loop().run_in_executor(None, self.table_changes.close, _LAST_CHANGES_SECONDS)
        if self._directory is not None:
            self._directory.release()

    @property
    def flow_control(self) -> FlowControlEvent:
        """The flow control of all queues of this application."""
        if self._guarded is None:
            self._guarded = GuardedFlowControl(loop=self.loop)
        return self._guarded

    def _new_transport(self) -> Any:
        transport = super()._new_transport()
        transport.Consumer = GuardedConsumer
        return transport


def build_app(settings: Settings, stage: Stage) -> FlowApp:
    """Return an application without agents or tables, which must be started in the running loop."""
    for name in _LOUD_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    app = FlowApp(
        settings.group(stage),
        broker=[URL(f"kafka://{server}") for server in _servers(settings.kafka)],
        broker_credentials=_credentials(settings.kafka),
        broker_client_id=settings.kafka.client_id_of(stage),
        store=settings.table_store,
        datadir=str(settings.data_dir),
        Table=WatchedTable,
        TableManager=BulkTableManager,
        table_standby_replicas=settings.table_standby_replicas,
        stream_recovery_delay=0.0,
        autodiscover=False,
        web_enabled=False,
        canonical_url=_url(settings),
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_disable_leader=True,
        # All topics exist already; declaring them again would need the right to create topics.
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_MESSAGE_BYTES // 4,
        consumer_group_instance_id=settings.instance_id,
        broker_session_timeout=settings.session_timeout_seconds,
        # Faust refuses a session that lasts longer than a request may take.
        broker_request_timeout=max(_REQUEST_SECONDS, settings.session_timeout_seconds),
        broker_heartbeat_interval=settings.session_timeout_seconds / 4,
        broker_commit_interval=0.5,
        broker_max_poll_interval=600.0,
    )
    app.use(settings, stage)
    return app


def _url(settings: Settings) -> str:
    """Return the URL by which Faust's assignor identifies this worker; two on one host must have different ones.

    A static member gets its previous assignment back, and Faust requires that it still has the same URL.
    """
    if settings.instance_id is not None:
        return f"http://{settings.instance_id}:6066"
    return f"http://{socket.gethostname()}:{os.getpid()}"


def raw_topic(app: faust.App, *names: str) -> TopicT:
    """Return a Faust topic whose keys and values arrive as bytes, so that nothing is dropped undecoded."""
    return app.topic(*names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def _servers(connection: KafkaConnection) -> list[str]:
    return [server.strip() for server in (connection.bootstrap_servers or "").split(",") if server.strip()]


def _credentials(connection: KafkaConnection) -> faust.Credentials | None:
    protocol = connection.security_protocol
    context = _ssl_context(connection) if protocol in ("SSL", "SASL_SSL") else None
    if protocol.startswith("SASL"):
        password = connection.sasl_password
        return faust.SASLCredentials(
            username=connection.sasl_username,
            password=None if password is None else password.get_secret_value(),
            mechanism=connection.sasl_mechanism or "PLAIN",
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def _ssl_context(connection: KafkaConnection) -> ssl.SSLContext:
    authority = connection.ssl_ca_location
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    if connection.ssl_certificate_location is not None:
        context.load_cert_chain(connection.ssl_certificate_location, connection.ssl_key_location)
    return context
