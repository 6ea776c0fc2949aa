"""Check that the topics a worker started with still exist, with the same partitions."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from threading import Event, Thread
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import InvalidSettings, KafkaUnavailable, ShelfwiseError
from streams.kafka.connection import KafkaConnection
from streams.kafka.partition_numbers import WAY_OUT
from streams.kafka.quiet import Quiet

# confluent-kafka (2.16.1) never frees the id of a topic that it describes: 100 bytes, and one more object for each
# full garbage collection to visit. With 15 topics, a look every 5 s took 26 MB a day.
_LOOK_SECONDS: Final = 30.0
_SECOND_LOOK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """A broker's answer about a topic: its id, or ``None`` if it does not exist, and its number of partitions."""

    topic_id: str | None
    partitions: int


class TopicsWatch:
    """Checks topics twice a minute in a thread; sets ``failure`` if one is gone, recreated or repartitioned.

    Kafka does not tell clients about such changes: they wait for messages that never come, Faust takes a table
    without a changelog for a recovered one, and new partitions take over keys whose products and statistics are on
    old ones. A cluster that replaced another one has other topics too. While no broker answers, nothing is known
    and nothing changes.
    """

    def __init__(
        self, connection: KafkaConnection, names: Sequence[str], partitions: int, renewable: Collection[str] = ()
    ) -> None:
        """Watch topics that have ``partitions`` partitions each; the first answer defines their ids.

        ``renewable`` topics may be deleted and created again.
        """
        self.failure: BaseException | None = None
        self._address = connection.bootstrap_servers
        self._admin: AdminClient = Quiet(connection).make(AdminClient, connection.client_config())
        self._names = list(names)
        self._partitions = partitions
        self._renewable = frozenset(renewable)
        self._known: dict[str, str] = {}
        self._suspected: Mapping[str, Seen] = {}
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="shelfwise-topics", daemon=True)

    def start(self) -> None:
        """Look once, then regularly in a thread."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Stop looking; this does not wait for a look at a broker that does not answer."""
        self._stopped.set()

    def look(self) -> None:
        """Look once; a difference from the first answer is believed when it is seen twice in a row.

        A single answer may come from a broker that has just started and does not know every topic.
        """
        now = self._ask()
        differing = {name: seen for name, seen in now.items() if self._differs(name, seen)}
        self._known |= {
            name: seen.topic_id for name, seen in now.items() if seen.topic_id and name not in self._known
        }
        if believed := sorted(differing.keys() & self._suspected.keys()):
            name, more = believed[0], f" (and {len(believed) - 1} more)" if len(believed) > 1 else ""
            self.failure = self._problem(f"topic {name}{more}", differing[name])
        if now:
            self._suspected = differing

    def _differs(self, name: str, seen: Seen) -> bool:
        if seen.topic_id is not None and seen.partitions != self._partitions:
            return True
        return name not in self._renewable and self._known.get(name, seen.topic_id) != seen.topic_id

    def _problem(self, what: str, seen: Seen) -> ShelfwiseError:
        if seen.topic_id is not None and seen.partitions != self._partitions:
            return InvalidSettings(
                f"{what} has {seen.partitions} partitions, and had {self._partitions} when this worker started."
                f" {WAY_OUT}"
            )
        happened = "is gone" if seen.topic_id is None else "was deleted and made anew"
        return KafkaUnavailable(
            f"{what} {happened}: the cluster at {self._address} has changed since this worker started; restart the"
            " worker"
        )

    def _ask(self) -> dict[str, Seen]:
        found: dict[str, Seen] = {}
        topics = TopicCollection(self._names)
        for name, answer in self._admin.describe_topics(topics, request_timeout=_ANSWER_SECONDS).items():
            try:
                told = answer.result()
                found[name] = Seen(str(told.topic_id), len(told.partitions))
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    found[name] = Seen(None, 0)
        self._admin.poll(0)  # handles reports about unreachable brokers, which would pile up
        return found

    def _run(self) -> None:
        while not self._stopped.wait(self._pause()) and self.failure is None:
            try:
                self.look()
            except Exception:
                _log.exception("the topics of this worker cannot be looked at")

    def _pause(self) -> float:
        return _SECOND_LOOK_SECONDS if self._suspected else _LOOK_SECONDS
