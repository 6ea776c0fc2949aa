"""A table whose changes are waited for, so that none is lost silently."""

from __future__ import annotations

from typing import Any

import faust
from yarl import URL

from streams.state.stores import DiskStore, MemoryStore

_STORES = {"memory": MemoryStore, "rocksdict": DiskStore}


class TablePartition:
    """One partition of a table."""

    def __init__(self, table: WatchedTable, partition: int) -> None:
        self._table = table
        self._partition = partition

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""
        value: bytes | None = self._table.data.look_up(self._partition, key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        """Set the value of a key, and send it to the changelog."""
        self._table.data.put(self._partition, key, value)
        self._table.changed(self._partition, key, value)


class WatchedTable(faust.Table):
    """Tells its store about each change that has arrived, and the application about each that has not.

    Faust 0.15.3 only logs a change that the broker refused, and commits the event that caused it.
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

    def of(self, partition: int) -> TablePartition:
        """Return a partition that this worker owns, for reads and writes independent of the current event."""
        return TablePartition(self, partition)

    def on_key_set(self, _key: bytes, _value: bytes) -> None:
        """Refuse Faust's way of writing, which puts a change on disk before its changelog has it."""
        raise RuntimeError("a table is written by its partitions alone")

    def changed(self, partition: int, key: bytes, value: bytes) -> None:
        """Send a change to the changelog."""
        self.app.table_changes.send(self.data, self.changelog_topic_name, partition, key, value)
