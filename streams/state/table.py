"""A table whose changes are waited for, and of which none is lost in silence."""

from __future__ import annotations

import asyncio
from typing import Any

import faust
from yarl import URL

from streams.state.stores import DiskStore, MemoryStore

_STORES = {"memory": MemoryStore, "rocksdict": DiskStore}


class PendingChanges:
    """The changes of all tables that the broker has not acknowledged, and the first one that failed."""

    def __init__(self) -> None:
        self._pending: set[asyncio.Future[Any]] = set()
        self.failure: BaseException | None = None

    def add(self, change: asyncio.Future[Any]) -> None:
        """Watch a change until it has arrived, or failed."""
        self._pending.add(change)
        change.add_done_callback(self._done)

    async def arrived(self) -> None:
        """Wait until every change so far has arrived; raises what kept one from arriving."""
        if pending := tuple(self._pending):
            await asyncio.wait(pending)
            # Callbacks of what is done run in the next turn of the loop.
            await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure

    def _done(self, change: asyncio.Future[Any]) -> None:
        self._pending.discard(change)
        if not change.cancelled() and (error := change.exception()) is not None and self.failure is None:
            self.failure = error


class WatchedTable(faust.Table):
    """Tells the store of each change that has arrived, and the application of each that has not.

    Faust 0.15.3 logs a change that the broker refused, and commits the event that it was made for.
    """

    def _new_store_by_url(self, url: Any) -> Any:
        return _STORES[URL(url).scheme](
            url,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            loop=self.loop,
            options=self.options,
        )

    def send_changelog(self, *arguments: Any, **options: Any) -> Any:
        """Send a change to the changelog, and watch it."""
        change = super().send_changelog(*arguments, **options)
        self.app.pending_changes.add(change)
        return change

    def _on_changelog_sent(self, change: Any) -> None:
        place, message = change.result(), change.message
        self.data.acknowledged(place.partition, place.offset, message.key, message.value)
