"""Recover tables in bulk, in a thread: Faust takes about 100 us per record, on the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from threading import Event, Lock
from typing import Any, Final

from faust.tables import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery

from schemas.errors import ShelfwiseError
from streams.freed_memory import give_back
from streams.state.changelog import Changelog, Place
from streams.state.completeness import check_and_repair, note_lacking
from streams.state.stores import Interrupted

_SLOW_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class BulkRecovery(Recovery):
    """Brings the stores to the end of their changelogs before Faust looks at them, so Faust finds nothing to do.

    This includes the stores that the worker follows as a standby, which delays a worker with an empty disk. Faust
    would fill these during the live work, in a quarter of an hour; here it takes half a minute.
    """

    # Otherwise the logger would have this module's name, and be as verbose as ours.
    logger = logging.getLogger("faust.recovery")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # One thread at a time; the thread of an earlier assignment must first notice that it is no longer wanted.
        self._turn = Lock()

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ARG002, ASYNC109 - Faust's signature
        """Wait without a timeout, after which Faust's recovery would end silently and for good."""
        await super()._wait(coro)

    async def _build_offsets(self, consumer: Any, tps: Any, destination: Any, title: str) -> None:  # noqa: ARG002
        """Recover, and store the offsets reached in ``destination``.

        Faust's own method asks for the first offsets, 1.5 s behind a fetch that waits.
        """
        owned = title == "active"
        if tps:
            stopped = Event()
            known = {Place(*tp): -1 if destination[tp] is None else int(destination[tp]) for tp in tps}
            work = asyncio.get_running_loop().run_in_executor(None, self._recover, known, owned, stopped)
            try:
                ends = await asyncio.shield(work)
            except asyncio.CancelledError:
                work.add_done_callback(_forget)
                raise
            except Interrupted:
                raise RebalanceAgain from None
            finally:
                stopped.set()
            for tp in tps:
                place = Place(*tp)
                destination[tp] = ends[place]
                if owned and ends[place] > known[place]:
                    # Faust asked for the ends earlier, and takes a store beyond them to be that of another
                    # changelog.
                    self.active_highwaters[tp] = max(ends[place], self.active_highwaters[tp])

    def _recover(self, known: dict[Place, int], owned: bool, stopped: Event) -> dict[Place, int]:
        """Recover, and return the last offset of each partition; ``known`` is the offset that each store has."""
        with self._turn:
            changelog = Changelog(self.app.connection, f"{self.app.conf.id}-recovery", stopped)
            try:
                return self._recover_from(changelog, known, owned)
            finally:
                changelog.close()
                give_back()

    def _recover_from(self, changelog: Changelog, known: dict[Place, int], owned: bool) -> dict[Place, int]:
        began = time.monotonic()
        stores = {place: self.tables._changelogs[place.topic].data for place in known}
        bounds = {place: changelog.bounds(place) for place in known}
        self._refuse_stores_beyond(known, {place: end for place, (_, end) in bounds.items()})
        starts = {
            place: max(known[place] + 1, first)
            for place, (first, end) in bounds.items()
            if max(known[place] + 1, first) < end
        }
        ends = {place: max(known[place], end - 1) for place, (_, end) in bounds.items()}
        lacks = {
            place: note_lacking(stores[place], place, first, known[place]) for place, (first, _) in bounds.items()
        }

        def apply(place: Place, changes: Any, last: int) -> None:
            stores[place].load(place.partition, changes, last)
            ends[place] = max(ends[place], last)

        count = changelog.read(starts, apply)
        for place, (first, _) in bounds.items() if owned else ():
            whole, last = check_and_repair(changelog, stores[place], place, first, lacks=lacks[place])
            self.app.table_partitions.found(place.topic, place.partition, whole=whole)
            if last is not None:
                ends[place] = last
        seconds = time.monotonic() - began
        if owned:
            self.app.table_partitions.recovered(count, seconds)
        _log.log(
            logging.WARNING if seconds > _SLOW_SECONDS else logging.INFO,
            "%d partitions of tables %s: %d records in %.1f s",
            len(known),
            "recovered" if owned else "to follow were read",
            count,
            seconds,
        )
        return ends

    def _refuse_stores_beyond(self, known: dict[Place, int], ends: dict[Place, int]) -> None:
        """Raise :class:`ShelfwiseError` if a store is ahead of the end of its changelog."""
        for place, last in known.items():
            if last >= ends[place]:
                tables = self.app.table_directory
                raise ShelfwiseError(
                    f"the tables in {tables} are ahead of their changelog: they reach offset {last} of"
                    f" {place.topic}/{place.partition}, which ends at {ends[place]}; delete {tables.parent}, or"
                    " set another SHELFWISE_TOPIC_PREFIX"
                )


class BulkTableManager(TableManager):
    """Faust's table manager, with recovery in bulk."""

    _recovery: Recovery | None

    async def on_start(self) -> None:
        """Start at once: Faust waits a second for tables that are declared late, but ours are all declared."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        """The recovery of all tables."""
        if self._recovery is None:
            self._recovery = BulkRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


def _forget(work: asyncio.Future[Any]) -> None:
    if not work.cancelled() and (error := work.exception()) and not isinstance(error, Interrupted):
        _log.warning("a recovery that was no longer wanted failed: %s", error)
