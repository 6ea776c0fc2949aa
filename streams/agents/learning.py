"""The learning agents: decisions and verdicts become changes of the statistics, and these become tables."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import faust
import msgspec

from schemas.errors import InvalidEvent
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import decode, encode
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.position import SourcePosition, decision_id
from schemas.events.review import ReviewDecided
from schemas.events.sent_again import original_offset
from schemas.events.statistics import StatisticsChanged
from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, REVIEWS_DECIDED, STATISTICS_CHANGED
from streams.agents.burial import bury, headers_of
from streams.agents.context import Context, Turns, at_once
from streams.agents.rereading import LogPlace
from streams.faust_app import raw_topic
from streams.outgoing import Outgoing
from streams.tables import RecallTables
from workers import learning
from workers.learning import KeyStatistics, ProductState, Said, Source

STAGE: Final = "learning"
# Events whose changes wait for those before them to arrive.
WAITING_EVENTS: Final = 1_000
_log = logging.getLogger(__name__)
_states: Final = msgspec.json.Decoder(ProductState)
_statistics: Final = msgspec.json.Decoder(KeyStatistics)
_Table = MutableMapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Learned:
    """An event whose changes have yet to leave."""

    key: bytes
    changes: list[StatisticsChanged]
    stream: Any
    event: Any


class LearningStage:
    """Keeps what each product contributes, and sends the changes to the statistics of its brand and stores.

    Changes leave in lots, each when the states that they come of are safe and the lot before it has arrived: had a
    state been lost, another topic might be read first the next time, and the same position would change something
    else. Then their events are acknowledged to Faust. A product has at most one event under way; so an event that
    Faust delivers again is either finished, or the latest of its product in its topic, whose changes the table can
    tell once more under the same position.
    """

    def __init__(
        self, context: Context, products: _Table, state_arrived: Callable[[], Awaitable[None]] = at_once
    ) -> None:
        """``state_arrived`` waits until every change of ``products`` so far is safe."""
        settings = context.settings
        self._context = context
        self._products = products
        self._state_arrived = state_arrived
        self.turns = Turns(context.health, STAGE, settings.stall_seconds)
        self._kinds: dict[str, Source] = {
            settings.topic(CATEGORIES_ASSIGNED): "assigned",
            settings.topic(CATEGORIES_NEEDS_REVIEW): "needs_review",
            settings.topic(REVIEWS_DECIDED): "verdict",
        }
        self._waiting: list[_Learned] = []
        self._under_way: set[bytes] = set()
        self._shipping: asyncio.Task[None] | None = None
        self._lost = False

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it learns from."""
        return tuple(self._kinds)

    async def run(self, stream: Any) -> None:
        """The agent's loop; acknowledges by itself."""
        unacknowledged = stream.noack()
        events: AsyncIterable[Any] = unacknowledged.events()
        async for event in events:
            with self.turns.working():
                changes: list[StatisticsChanged] = []
                key = event.message.key or b""
                try:
                    if key in self._under_way or len(self._waiting) >= WAITING_EVENTS:
                        await self.drain()
                    if self._lost:
                        continue  # left unacknowledged; what comes later may not be counted before what was lost
                    changes = self.learn(event.message, event.value)
                except InvalidEvent as error:
                    _log.error("nothing learned from %s: %s", LogPlace.of(event), error)
                    if not await self._bury(event, error):
                        continue  # left unacknowledged: Faust delivers it again after a restart
                except Exception:
                    _log.exception("nothing learned from %s", LogPlace.of(event))
                if changes:
                    self._send(_Learned(key, changes, unacknowledged, event))
                else:
                    await unacknowledged.ack(event)

    def learn(self, message: Any, value: bytes | None) -> list[StatisticsChanged]:
        """Bring the product's state up to date, and return the changes to send; raises :class:`InvalidEvent`."""
        if not message.key:
            raise InvalidEvent("missing_key", "the message has no key; it must be the product's id")
        position = SourcePosition(message.topic, message.partition, message.offset)
        # A verdict that died and was sent again is no newer than when it was first given.
        place = original_offset(headers_of(message), message.offset)
        source, said = self._said(self._kinds[message.topic], value, place)
        stored = self._products.get(message.key)
        state = ProductState() if stored is None else _states.decode(stored)
        if source == "verdict":
            self._check(said, state)
        changed = learning.apply(state, source, said, position)
        if changed is None:
            return learning.changes_of(state, position)
        self._products[message.key] = encode(changed)
        return learning.changes_of(changed, position)

    async def _bury(self, event: Any, error: InvalidEvent) -> bool:
        """Keep a verdict that cannot be used, and return whether it is safe; decisions stay where they are."""
        if self._kinds[event.message.topic] != "verdict":
            return True
        try:
            await bury(self._context, STAGE, event.message, error)
        except Exception:
            _log.exception("the dead letter of %s did not arrive", LogPlace.of(event))
            return False
        return True

    async def drain(self, seconds: float | None = None) -> None:
        """Wait, at most so long, until the changes under way are acknowledged."""
        if self._shipping is not None:
            await asyncio.wait([self._shipping], timeout=seconds)

    def _said(self, source: Source, value: bytes | None, offset: int) -> tuple[Source, Said]:
        if value is None:
            return learning.said_by_tombstone(source, offset)
        if source == "verdict":
            return learning.said_by_verdict(decode(value, ReviewDecided), offset)
        event = decode(value, CategoryAssigned) if source == "assigned" else decode(value, NeedsReview)
        return learning.said_by_decision(event, offset, self._context.settings.learning_min_confidence)

    def _check(self, verdict: Said, state: ProductState) -> None:
        """Raise :class:`InvalidEvent` for a verdict that would count for a category or a product there is none of.

        One that came ahead of its decision brings a brand or stores of its own, and counts for these.
        """
        category = verdict.category
        if category is not None and self._context.bundle.taxonomy.find_id(category) is None:
            raise InvalidEvent(
                "unknown_category", f"no category {category!r} in the taxonomy of the model; name one of its ids"
            )
        decided = state.assigned is not None or state.needs_review is not None
        if not decided and not verdict.removed and verdict.brand is None and not verdict.stores:
            raise InvalidEvent(
                "unknown_product", "a verdict on a product that was never decided, with neither brand nor stores"
            )

    def _send(self, learned: _Learned) -> None:
        self._waiting.append(learned)
        self._under_way.add(learned.key)
        if self._shipping is None or self._shipping.done():
            self._shipping = asyncio.get_running_loop().create_task(self._ship())

    async def _ship(self) -> None:
        """Send what waits, and what comes to wait meanwhile."""
        while self._waiting:
            lot, self._waiting = self._waiting, []
            try:
                await self._state_arrived()
                await self._context.sink.send_all([message for item in lot for message in self._messages(item)])
            except Exception as error:
                self._lost = True
                place = LogPlace.of(lot[0].event)
                _log.error("learning stops until a restart: changes as of %s did not arrive: %s", place, error)
                return
            for item in lot:
                await self._acknowledge(item)
            self._under_way = {item.key for item in self._waiting}

    async def _acknowledge(self, learned: _Learned) -> None:
        try:
            await learned.stream.ack(learned.event)
        except Exception:
            _log.exception("%s was not acknowledged; it is read again after a restart", LogPlace.of(learned.event))

    def _messages(self, learned: _Learned) -> list[Outgoing]:
        topic = self._context.settings.topic(STATISTICS_CHANGED)
        messages = []
        for change in learned.changes:
            identity = f"{change.kind}:{change.key}"
            attributes = headers(EventType.STATISTICS_CHANGED, decision_id(change.source, identity))
            messages.append(Outgoing(topic, identity.encode(), encode(change), attributes))
        return messages


class StatisticsStage:
    """Applies changes to the tables: weights and the position up to which they count, in one value."""

    def __init__(self, context: Context, tables: RecallTables) -> None:
        self._context = context
        self._tables: dict[str, _Table] = tables.statistics

    async def run(self, stream: Any) -> None:
        """The agent's loop."""
        events: AsyncIterable[Any] = stream.events()
        async for event in events:
            try:
                self.apply(event.value)
            except Exception as error:
                _log.error("no statistics from %s: %s", LogPlace.of(event), error)

    def apply(self, value: bytes | None) -> None:
        """Apply one change; a repeated one is counted and changes nothing."""
        change = decode(value, StatisticsChanged)
        table = self._tables[change.kind]
        key = change.key.encode()
        stored = table.get(key)
        known = KeyStatistics() if stored is None else _statistics.decode(stored)
        changed = learning.apply_change(known, change)
        if changed is not None:
            table[key] = encode(changed)
            self._context.metrics.statistics_updated(change.kind)
        else:
            self._context.metrics.statistics_updated(change.kind, result="repeated")


def add_learning_agents(app: faust.App, learner: LearningStage, statistics: StatisticsStage) -> None:
    """Let the application learn. One stream of all three topics, so that a product's events come one by one."""
    changed = raw_topic(app, learner._context.settings.topic(STATISTICS_CHANGED))
    app.agent(raw_topic(app, *learner.topics), name=STAGE, concurrency=1)(learner.run)
    app.agent(changed, name="statistics", concurrency=1)(statistics.run)
