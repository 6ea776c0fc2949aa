"""The base of the recall and ranking agents: it works on waiting batches together."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

import faust

from schemas.topics import Topic
from streams.agents.context import LoopHeartbeat
from streams.agents.gathering import Gathering, described
from streams.agents.model_context import ModelContext
from streams.agents.rereading import LogPlace, Rereading
from streams.faust_app import raw_topic

Prepared = TypeVar("Prepared")
# Tasks that left the loop and have not finished; more would only fill the producer's queue.
PENDING: Final = 8
_log = logging.getLogger(__name__)


class BatchStage(ABC, Generic[Prepared]):
    """Works on batches, those of one partition one after the other; long waits happen in tasks outside the loop.

    A batch that fails is logged and not completed, so intake sends it again.
    """

    name: ClassVar[str]
    topic: ClassVar[Topic]

    def __init__(self, context: ModelContext) -> None:
        self.context = context
        self.heartbeat = LoopHeartbeat(context.health, self.name, context.settings.stall_seconds)
        self.rereading = Rereading()
        self.gathering = Gathering(self._work)
        self._slots = asyncio.Semaphore(PENDING)
        self._pending: set[asyncio.Task[None]] = set()

    def add_to(self, app: faust.App) -> None:
        """Register the stage as an agent of the application on the stage's topic."""
        topic = self.context.settings.topic(self.topic)
        app.agent(raw_topic(app, topic), name=self.name, concurrency=1)(self.run)
        self.rereading.follow(app, topic)
        app.on_partitions_revoked.connect(self._revoked)

    async def run(self, stream: Any) -> None:
        """Run the agent's loop."""
        await self.gathering.run(stream)

    async def give_up(self) -> None:
        """Finish the work in progress before others may own the partitions, and forget the waiting batches.

        Otherwise a late decision of ours could overwrite that of another worker on a later event. Takes at most
        half the session timeout, because Kafka would not wait longer.
        """
        self.forget_waiting()
        try:
            async with asyncio.timeout(self.context.settings.session_timeout_seconds / 2):
                await self.gathering.idle()
                await self.drain(self.context.settings.session_timeout_seconds)
        except TimeoutError:
            _log.warning("%s gave its partitions up with %d batches under way", self.name, len(self._pending))

    def forget_waiting(self) -> None:
        """Leave the waiting batches to the next owner of the partitions."""
        self.gathering.forget()

    async def drain(self, seconds: float) -> None:
        """Wait at most ``seconds`` for the tasks outside the loop."""
        if self._pending:
            await asyncio.wait(self._pending, timeout=seconds)

    @abstractmethod
    async def prepare(self, value: bytes | None, place: LogPlace) -> Prepared | None:
        """Return the work to do on a batch, or ``None`` if nothing is left to do."""

    async def prepare_item(self, item: Any) -> Prepared | None:
        """Like :meth:`prepare`, but for a Faust event."""
        return await self.prepare(item.value, LogPlace.of(item))

    @abstractmethod
    async def finish(self, prepared: Sequence[Prepared]) -> None:
        """Run the model on several batches, and hand over the results."""

    async def beside(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Start ``work`` in a task, which must log its own errors; wait first if too many tasks are pending."""
        with self.heartbeat.waiting():
            await self._slots.acquire()
        task = asyncio.get_running_loop().create_task(work(*arguments))
        self._pending.add(task)
        task.add_done_callback(self._over)

    async def _revoked(self, _app: object, _places: object, **_: object) -> None:
        await self.give_up()

    def _over(self, task: asyncio.Task[None]) -> None:
        self._pending.discard(task)
        self._slots.release()

    async def _work(self, events: Sequence[Any]) -> None:
        with self.heartbeat.working():
            prepared = []
            for event in events:
                try:
                    prepared.append(await self.prepare_item(event))
                except Exception:
                    _log.exception("%s of %s failed; it will be sent again", self.name, described(event))
            if batches := [item for item in prepared if item is not None]:
                try:
                    await self.finish(batches)
                except Exception:
                    _log.exception("%s of %d batches failed; they will be sent again", self.name, len(batches))
