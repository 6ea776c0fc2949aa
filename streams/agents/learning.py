"""The learning agent: turns decisions and verdicts into the state of products and changes of the statistics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import faust
import msgspec

from schemas.errors import InvalidEvent
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import Reason
from schemas.events.learning import LearningBatch, Said, VerdictMessage
from schemas.events.position import SourcePosition
from schemas.events.sent_again import original_offset
from schemas.events.statistics import StatisticsChanged
from schemas.topics import LEARNING_BATCHED
from streams.agents.burial import bury
from streams.agents.context import Context, LoopHeartbeat
from streams.agents.rereading import LogPlace
from streams.agents.statistics import statistics_messages
from streams.faust_app import raw_topic
from streams.learning.decide_again import JudgedEvent
from streams.learning.reader import learning_sources
from streams.learning.verdict import read_verdict
from streams.state.entries import Entries, EntriesOf
from streams.state.stores import Interrupted
from workers import learning
from workers.learning import ProductState, Source

STAGE: Final = "learning"
# The reader sends the batches of all partitions at once; the changes that they cause are sent together.
_GATHER_SECONDS: Final = 0.05
# The most changes that wait until earlier changes have arrived.
_WAITING_CHANGES: Final = 10_000
_log = logging.getLogger(__name__)
_states: Final = msgspec.json.Decoder(ProductState)
_Name = tuple[Source, str]


@dataclass(frozen=True, slots=True)
class _States:
    """The states of a batch's products; each is read once and written once."""

    stored: Entries
    found: dict[bytes, bytes] = field(default_factory=dict)
    changed: dict[bytes, ProductState] = field(default_factory=dict)

    def read(self, keys: Iterable[bytes]) -> None:
        """Read the stored states of products; raises what the table raises."""
        self.found.update((key, value) for key in keys if (value := self.stored.get(key)) is not None)

    def of(self, key: bytes) -> ProductState:
        """Return a product's state, including what the batch has changed so far."""
        if (state := self.changed.get(key)) is not None:
            return state
        stored = self.found.get(key)
        return ProductState() if stored is None else _states.decode(stored)

    def write(self) -> None:
        """Store what the batch has changed."""
        for key, state in self.changed.items():
            self.stored[key] = encode(state)


@dataclass(frozen=True, slots=True)
class Effects:
    """What must be sent because of a batch: changes of statistics, and products that a verdict decides anew."""

    changes: list[StatisticsChanged] = field(default_factory=list)
    judged: list[JudgedEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Learned:
    """A batch whose effects are not sent yet; ``names`` are the topics and products of its events."""

    names: set[_Name]
    effects: Effects
    stream: Any
    event: Any


class LearningStage:
    """Stores what each product contributes to the statistics, and sends the changes to the keys that they concern.

    Products whose decision a verdict changes are published again, after the verdict has been stored.

    Changes are sent in lots. A lot is sent when the states behind it are safe and the lot before it has arrived:
    if a state were lost, another topic might be read first the next time, and the same position would cause a
    different change. Then the batches of the lot are acknowledged to Faust. At most one event of each product and
    topic is in progress. So an event that Faust delivers again is either finished, or it is the latest one of its
    product in its topic, and the table can produce its changes again under the same position.

    ``failure`` is what kept changes from becoming safe, if anything did; they are learned again after a restart.
    """

    def __init__(
        self,
        context: Context,
        products: EntriesOf,
        is_category: Callable[[str], bool],
        state_arrived: Callable[[], Awaitable[None]],
        decide_again: Callable[[Sequence[JudgedEvent]], Awaitable[None]],
    ) -> None:
        """``products`` is the table of states, and ``state_arrived`` waits until all its changes so far are safe.

        ``is_category`` says whether a verdict may name a category id. ``decide_again`` publishes products again.
        """
        settings = context.settings
        self.context = context
        self._products = products
        self._is_category = is_category
        self._state_arrived = state_arrived
        self._decide_again = decide_again
        self.heartbeat = LoopHeartbeat(context.health, STAGE, settings.stall_seconds)
        self._topics: dict[Source, str] = {source: topic for topic, source in learning_sources(settings).items()}
        self._waiting: list[_Learned] = []
        self._under_way: set[_Name] = set()
        self._shipping: asyncio.Task[None] | None = None
        self.failure: BaseException | None = None

    async def run(self, stream: Any) -> None:
        """Run the agent's loop, which acknowledges events itself."""
        unacknowledged = stream.noack()
        events: AsyncIterable[Any] = unacknowledged.events()
        async for event in events:
            with self.heartbeat.working():
                try:
                    batch = decode(event.value, LearningBatch)
                    LogPlace.of(event).expect(batch.partition)
                except InvalidEvent as error:
                    _log.error("nothing learned from %s: %s", LogPlace.of(event), error)
                    await unacknowledged.ack(event)
                    continue
                names = _names(batch)
                waiting = sum(len(item.effects.changes) for item in self._waiting)
                if waiting >= _WAITING_CHANGES or not names.isdisjoint(self._under_way):
                    with self.heartbeat.waiting():
                        await self.drain()
                if self.failure is not None:
                    continue  # left unacknowledged: later events may not be counted before what was lost
                try:
                    effects = await self.learn(batch)
                except Interrupted:
                    continue  # another worker owns the partition now and reads it
                except Exception as error:
                    self._stop(event, error)
                    continue
                if effects.changes or effects.judged:
                    self._send(_Learned(names, effects, unacknowledged, event))
                else:
                    await unacknowledged.ack(event)

    async def learn(self, batch: LearningBatch) -> Effects:
        """Update the products' states, and return what to send; unusable verdicts become dead letters."""
        states = _States(self._products(batch.partition))
        decided = {decision.product_id.encode() for decision in batch.decisions}
        states.read(decided | {verdict.key for verdict in batch.verdicts if verdict.key})
        effects = Effects()
        for decision in batch.decisions:
            position = SourcePosition(self._topics[decision.topic], batch.partition, decision.offset)
            try:
                key = decision.product_id.encode()
                effects.changes.extend(self._apply(states, key, decision.topic, decision.said, position))
            except Exception:
                _log.exception("nothing learned from %s", position)
        refused: list[tuple[SourcePosition, VerdictMessage, InvalidEvent]] = []
        for verdict in batch.verdicts:
            position = SourcePosition(self._topics["verdict"], batch.partition, verdict.offset)
            try:
                self._judge(states, verdict, position, effects)
            except InvalidEvent as error:
                _log.error("nothing learned from %s: %s", position, error)
                refused.append((position, verdict, error))
            except Exception as error:
                _log.exception("nothing learned from %s", position)
                refused.append((position, verdict, InvalidEvent(Reason.PROCESSING_FAILED, repr(error))))
        states.write()
        for position, verdict, reason in refused:
            with self.heartbeat.waiting():
                await bury(self.context, STAGE, position, verdict, reason)
        return effects

    async def drain(self, seconds: float | None = None) -> None:
        """Wait, at most ``seconds``, until the changes in progress are acknowledged."""
        if self._shipping is not None:
            await asyncio.wait([self._shipping], timeout=seconds)

    def _apply(
        self, states: _States, key: bytes, source: Source, said: Said, position: SourcePosition
    ) -> list[StatisticsChanged]:
        known = states.of(key)
        state, changes = learning.apply(known, source, said, position)
        if state is not known:
            states.changed[key] = state
        return changes

    def _judge(self, states: _States, verdict: VerdictMessage, position: SourcePosition, effects: Effects) -> None:
        partitions = self.context.settings.partitions
        key, decided = read_verdict(verdict.key, verdict.value, position.partition, partitions)
        # A verdict that became a dead letter and was sent again counts as given when it was first published.
        offset = original_offset(list(verdict.headers), verdict.offset)
        said = learning.said_by_tombstone(offset) if decided is None else learning.said_by_verdict(decided, offset)
        state = states.of(key)
        self._check(said, state, titled=decided is not None and decided.title is not None)
        effects.changes.extend(self._apply(states, key, "verdict", said, position))
        if (decision := learning.overtaken_decision(state, decided, offset)) is not None:
            effects.judged.append(JudgedEvent(position.partition, decision.decided, key, verdict.offset))

    def _check(self, verdict: Said, state: ProductState, *, titled: bool) -> None:
        """Raise :class:`InvalidEvent` if a verdict names an unknown category or a product that was never decided.

        A verdict that arrives before its decision is accepted if it has a title, for which it stands, or a brand,
        stores or tags of its own, for which it counts.
        """
        category = verdict.category
        if category is not None and not self._is_category(category):
            raise InvalidEvent(
                Reason.UNKNOWN_CATEGORY,
                f"no category {category!r} in the taxonomy of the model; name one of its ids",
            )
        decided = state.assigned is not None or state.needs_review is not None
        named = verdict.brand is not None or verdict.stores or verdict.tags
        if not (decided or verdict.removed or named or titled):
            raise InvalidEvent(
                Reason.UNKNOWN_PRODUCT,
                "a verdict on a product that was never decided, without title, brand, stores and tags",
            )

    def _send(self, learned: _Learned) -> None:
        self._waiting.append(learned)
        self._under_way |= learned.names
        if self._shipping is None or self._shipping.done():
            self._shipping = asyncio.get_running_loop().create_task(self._ship())

    async def _ship(self) -> None:
        """Send the waiting changes, and those that are added meanwhile."""
        while self._waiting:
            await asyncio.sleep(_GATHER_SECONDS)
            lot, self._waiting = self._waiting, []
            changes = [change for item in lot for change in item.effects.changes]
            judged = [event for item in lot for event in item.effects.judged]
            try:
                await self._state_arrived()
                await self.context.sink.send_all(statistics_messages(self.context.settings, changes))
                await self._decide_again(judged)
            except Interrupted:
                return  # the worker is stopping; what is not acknowledged is learned again
            except Exception as error:
                self._stop(lot[0].event, error)
                return
            for item in lot:
                await self._acknowledge(item)
            self._under_way = {name for item in self._waiting for name in item.names}

    def _stop(self, event: Any, error: Exception) -> None:
        self.failure = error
        _log.error(
            "the changes of %s did not reach the broker and will be learned again after a restart: %r",
            LogPlace.of(event),
            error,
        )

    async def _acknowledge(self, learned: _Learned) -> None:
        try:
            await learned.stream.ack(learned.event)
        except Exception:
            _log.exception("%s was not acknowledged; it is read again after a restart", LogPlace.of(learned.event))


def _names(batch: LearningBatch) -> set[_Name]:
    """Return the topic and product of each event in the batch."""
    decided: set[_Name] = {(decision.topic, decision.product_id) for decision in batch.decisions}
    return decided | {("verdict", (verdict.key or b"").decode(errors="replace")) for verdict in batch.verdicts}


def add_learning_agent(app: faust.App, stage: LearningStage) -> None:
    """Register the stage as an agent of the application on its topic."""
    topic = raw_topic(app, stage.context.settings.topic(LEARNING_BATCHED))
    app.agent(topic, name=STAGE, concurrency=1)(stage.run)
