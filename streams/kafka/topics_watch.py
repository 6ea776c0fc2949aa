"""Whether the topics that a worker began with are still there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import KafkaUnavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.quiet import Quiet

_LOOK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)

Ids = Mapping[str, str | None]
"""The id that Kafka gave each topic, ``None`` where there is none of that name."""


class TopicsWatch:
    """Asks every few seconds, in a thread, for the ids of topics; ``failure`` is set when one is gone or another.

    Clients are told nothing of it: they wait for what comes no more, and Faust takes a table without a changelog
    for one that is recovered. A cluster that was put in the place of another has other topics too. While no broker
    answers nothing is known, and nothing changes.
    """

    def __init__(self, connection: KafkaConnection, names: Sequence[str]) -> None:
        """Watch the topics of these names; the first answer says which they are."""
        self.failure: BaseException | None = None
        self._address = connection.bootstrap_servers
        self._admin: AdminClient = Quiet(self._address).make(AdminClient, connection.client_config())
        self._names = list(names)
        self._known: dict[str, str] = {}
        self._suspected: Ids = {}
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
        now = self._ids()
        differing = {name: found for name, found in now.items() if self._known.get(name, found) != found}
        self._known |= {name: found for name, found in now.items() if found and name not in self._known}
        if believed := sorted(differing.keys() & self._suspected.keys()):
            what = "is gone" if differing[believed[0]] is None else "was deleted and made anew"
            more = f" (and {len(believed) - 1} more)" if len(believed) > 1 else ""
            self.failure = KafkaUnavailable(
                f"topic {believed[0]}{more} {what}: the cluster at {self._address} has changed since this worker"
                " started; restart the worker"
            )
        if now:
            self._suspected = differing

    def _ids(self) -> Ids:
        found: dict[str, str | None] = {}
        topics = TopicCollection(self._names)
        for name, answer in self._admin.describe_topics(topics, request_timeout=_ANSWER_SECONDS).items():
            try:
                found[name] = str(answer.result().topic_id)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    found[name] = None
        self._admin.poll(0)  # takes what it tells of brokers that are away, which would pile up
        return found

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS) and self.failure is None:
            try:
                self.look()
            except Exception:
                _log.exception("the topics of this worker cannot be looked at")
