"""Whether the topics that a worker began with are still there, and still divided as they were."""

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

_LOOK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """What a broker said of a topic: its id, ``None`` where there is none of that name, and its partitions."""

    topic_id: str | None
    partitions: int


class TopicsWatch:
    """Looks at topics every few seconds, in a thread; ``failure`` is set when one is gone, another, or raised.

    Clients are told nothing of it: they wait for what comes no more, Faust takes a table without a changelog for
    one that is recovered, and new partitions take over keys whose products and statistics lie on old ones. A
    cluster that was put in the place of another has other topics too. While no broker answers nothing is known,
    and nothing changes.
    """

    def __init__(
        self, connection: KafkaConnection, names: Sequence[str], partitions: int, renewable: Collection[str] = ()
    ) -> None:
        """Watch topics, which have so many partitions each; the first answer says which they are.

        Those that are ``renewable`` may be deleted and made anew.
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
        """Look for the first time, then again and again in a thread."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Look no more; a look at a broker that is away is not waited for."""
        self._stopped.set()

    def look(self) -> None:
        """Look once; what differs from the first answer twice in a row is believed.

        A single answer may be of a broker that has just started, and does not know all.
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
        self._admin.poll(0)  # takes what it tells of brokers that are away, which would pile up
        return found

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS) and self.failure is None:
            try:
                self.look()
            except Exception:
                _log.exception("the topics of this worker cannot be looked at")
