"""Stores of table partitions: in memory, and on disk (RocksDB)."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import rocksdict
from faust.stores import memory, rocksdb

Change = tuple[bytes, bytes | None]
"""A key and its new value; ``None`` removes the key."""


class Interrupted(Exception):
    """Partitions were taken away, or the worker is stopping, while their tables were in use."""


_WRITE_BUFFER_BYTES: Final = 8 << 20
_OPEN_FILES: Final = 64
_BLOCK_BYTES: Final = 4 << 10
# With this, one lookup in a hundred of a missing key reads a file in vain (RocksDB wiki, "RocksDB Bloom Filter").
_BLOOM_BITS: Final = 10
_LOG_FILES: Final = 2
_LOG_BYTES: Final = 1 << 20


class MemoryStore(memory.Store):
    """Faust's store in memory, extended by loading in bulk."""

    def load(self, partition: int, changes: Sequence[Change], offset: int) -> None:
        """Apply changes in order; ``offset``, that of the last one, is ignored."""
        data, partitions = self.data, self._key_partition
        for key, value in changes:
            if value is None:
                data.pop(key, None)
                partitions.pop(key, None)
            else:
                data[key] = value
                partitions[key] = partition

    def acknowledged(self, partition: int, changes: Sequence[Change], offset: int) -> None:
        """Do nothing: memory ends with the process, so it cannot get ahead of its changelog."""

    def look_up(self, _partition: int, key: bytes) -> bytes | None:
        """Return a value, independently of the event being processed."""
        return self.data.get(key)

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Set a value, whatever event is worked on."""
        self.data[key] = value
        self._key_partition[key] = partition

    def note(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Do nothing: nothing needs to be remembered beyond the process."""

    def records(self, _partition: int) -> Iterator[tuple[bytes, bytes]] | None:
        """Return ``None``: this store never held what the changelog has lost."""
        return None


class Budget:
    """The memory for all stores of a stage: blocks, indexes, filters and write buffers together.

    Faust 0.15.3 gives each partition of each table its own cache of 2 GiB and 192 MiB of write buffers.
    """

    def __init__(self, total_bytes: int) -> None:
        self.cache = rocksdict.Cache(total_bytes)
        self._buffers = rocksdict.WriteBufferManager.new_write_buffer_manager_with_cache(
            total_bytes // 2, False, self.cache
        )

    def open(self, path: Path, *, read_only: bool = False) -> rocksdict.Rdict:
        """Open the store of one partition; the signature is that of Faust's RocksDB options."""
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_block_cache(self.cache)
        blocks.set_block_size(_BLOCK_BYTES)
        blocks.set_bloom_filter(_BLOOM_BITS, False)
        blocks.set_cache_index_and_filter_blocks(True)
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        options.set_compression_type(rocksdict.DBCompressionType.lz4())
        options.set_level_compaction_dynamic_level_bytes(True)
        options.set_max_open_files(_OPEN_FILES)
        options.set_keep_log_file_num(_LOG_FILES)
        options.set_max_log_file_size(_LOG_BYTES)
        options.set_stats_dump_period_sec(0)
        return rocksdict.Rdict(str(path), options=options)


class DiskStore(rocksdb.Store):
    """One RocksDB for each partition, which holds its changelog up to an offset and nothing beyond it.

    Faust 0.15.3 writes a change to disk at once, and to the changelog later. After ``kill -9`` the store is then
    ahead: the event is read again, changes nothing in the table, is not written again, and so is missing in the
    changelog for good. Here a change waits in memory until the broker has it, and is then written to disk together
    with its offset in one atomic write. Writes are not synced: a crash of the machine sets the store back to an
    earlier offset, and the changelog supplies the rest.
    """

    # Otherwise the logger would have this module's name, and be as verbose as ours.
    logger = logging.getLogger("faust.stores")

    def __init__(self, url: Any, app: Any, table: Any, **kwargs: Any) -> None:
        self._unacknowledged: defaultdict[int, dict[bytes, bytes | None]] = defaultdict(dict)
        super().__init__(url, app, table, **kwargs)
        self.rocksdb_options = app.table_budget

    @property
    def path(self) -> Path:
        """The directory that this process has claimed."""
        return self.app.table_directory

    def load(self, partition: int, changes: Sequence[Change], offset: int) -> None:
        """Apply changes in order, the last at ``offset`` of the changelog, unless they were applied already.

        Raises :class:`Interrupted` if the partition was taken away.
        """
        with self._ours(partition) as database:
            self._write(database, changes, offset)

    @contextmanager
    def _ours(self, partition: int) -> Iterator[rocksdict.Rdict]:
        """Yield a partition's database; raises :class:`Interrupted` if it was or is taken away meanwhile."""
        database = self._database(partition)
        try:
            yield database
        except rocksdict.DbClosedError:
            raise Interrupted from None

    def _database(self, partition: int) -> rocksdict.Rdict:
        """Return a partition's database; raises :class:`Interrupted` if it was taken away.

        It is not opened again, because it would lack what the next owner has written since.
        """
        database = self._dbs.get(partition)
        if database is None:
            raise Interrupted
        return database

    def _write(self, database: rocksdict.Rdict, changes: Sequence[Change], offset: int) -> None:
        known = database.get(self.offset_key)
        if known is not None and offset <= int(known):
            return
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(offset).encode())
        database.write(batch)

    def acknowledged(self, partition: int, changes: Sequence[Change], offset: int) -> None:
        """Write changes to disk that have arrived in the changelog, the last of them at ``offset``."""
        waiting = self._unacknowledged[partition]
        if partition in self._dbs:
            self.load(partition, changes, offset)
        for key, value in changes:
            # A newer change of the key keeps waiting.
            if waiting.get(key, _NOTHING) is value:
                del waiting[key]

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:
        """Apply changes that Faust's own recovery, or a standby, has read."""
        changes: defaultdict[int, list[Change]] = defaultdict(list)
        ends: dict[int, int] = {}
        for event in batch:
            message = event.message
            changes[message.partition].append((message.key, message.value))
            ends[message.partition] = max(message.offset, ends.get(message.partition, -1))
        for partition, found in changes.items():
            self._write(self._db_for_partition(partition), found, ends[partition])

    def look_up(self, partition: int, key: bytes) -> bytes | None:
        """Return a value, independently of the event being processed; raises :class:`Interrupted`."""
        database = self._database(partition)
        waiting = self._unacknowledged[partition].get(key, _NOTHING)
        try:  # no context manager, because this is called several times per product
            return database.get(key) if waiting is _NOTHING else waiting
        except rocksdict.DbClosedError:
            raise Interrupted from None

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Set a value, independently of the event being processed; it goes to disk once the changelog has it."""
        self._database(partition)
        self._unacknowledged[partition][key] = value

    def note(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Store a note about the partition that no other store needs; ``None`` removes it."""
        with self._ours(partition) as database:
            if value is None:
                database.delete(key)
            else:
                database.put(key, value)

    def records(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield all keys and values that are on disk."""
        with self._ours(partition) as database:
            yield from self._visible_items(database)

    def set_persisted_offset(self, tp: Any, offset: int) -> None:
        """Do nothing: an offset is written together with its change."""

    async def stop(self) -> None:
        """Close all databases."""
        for partition in list(self._dbs):
            self._close(partition)

    def revoke_partitions(self, table: Any, tps: Any) -> None:
        """Close the partitions that go to another worker."""
        for tp in tps:
            if tp.topic in table.changelog_topic.topics:
                self._close(tp.partition)

    def _close(self, partition: int) -> None:
        self._unacknowledged.pop(partition, None)
        database = self._dbs.pop(partition, None)
        if database is not None:
            database.close()


_NOTHING: Final[Any] = object()
