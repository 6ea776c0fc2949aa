"""A store on disk holds its changelog up to an offset, and nothing beyond, wherever its process dies."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.state.stores import Budget, DiskStore, Interrupted, MemoryStore
from streams.state.table import TablePartition

BUDGET = Budget(16 << 20)
KEYS = st.sampled_from([b"lamp", b"desk", b"chair"])
VALUES = st.binary(min_size=1, max_size=4)


def open_store(directory: Path) -> DiskStore:
    conf = SimpleNamespace(table_key_index_size=10, tabledir=directory)
    app = SimpleNamespace(conf=conf, table_directory=directory, table_budget=BUDGET)
    table: Any = SimpleNamespace(name="table", is_global=False, use_partitioner=False)
    store = DiskStore("rocksdict://", app, table, table_name="table")
    store._db_for_partition(0)
    return store


def close(store: DiskStore) -> None:
    for database in store._dbs.values():
        database.close()
    store._dbs.clear()


class Life(RuleBasedStateMachine):
    """A store, its changelog, and a process that dies."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.changelog: list[tuple[bytes, bytes]] = []
        self.sent: list[tuple[bytes, bytes]] = []
        self.expected: dict[bytes, bytes] = {}

    @initialize()
    def begin(self) -> None:
        self.store = open_store(self.directory)

    @rule(key=KEYS, value=VALUES)
    def change(self, key: bytes, value: bytes) -> None:
        self.store.put(0, key, value)
        self.sent.append((key, value))
        self.expected[key] = value

    @rule(told=st.booleans())
    def arrive(self, *, told: bool) -> None:
        """A change arrives; the process may die before it hears of that."""
        if not self.sent:
            return
        key, value = self.sent.pop(0)
        self.changelog.append((key, value))
        if told:
            self.store.acknowledged(0, [(key, value)], len(self.changelog) - 1)
        else:
            self.die()

    @rule()
    def die(self) -> None:
        """What was not written to disk is gone; what was sent and has not arrived never will."""
        close(self.store)
        self.store = open_store(self.directory)
        self.sent.clear()
        position = self.position()
        assert self.content() == dict(self.changelog[: position + 1])
        missing = self.changelog[position + 1 :]
        if missing:
            self.store.load(0, missing, len(self.changelog) - 1)
        self.expected = dict(self.changelog)

    @invariant()
    def every_read_sees_the_latest_write(self) -> None:
        for key, value in self.expected.items():
            assert self.store.look_up(0, key) == value

    def position(self) -> int:
        found = self.store._db_for_partition(0).get(self.store.offset_key)
        return -1 if found is None else int(found)

    def content(self) -> dict[bytes, bytes]:
        return dict(self.store.records(0) or ())

    def teardown(self) -> None:
        close(self.store)
        shutil.rmtree(self.directory)


Life.TestCase.settings = settings(max_examples=20, stateful_step_count=15)
TestWhereverTheProcessDies = Life.TestCase


def test_a_late_acknowledgement_does_not_undo_what_was_recovered_meanwhile(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put(0, b"lamp", b"old")
    store.load(0, [(b"lamp", b"new")], 7)
    store.acknowledged(0, [(b"lamp", b"old")], 3)
    assert dict(store.records(0) or ()) == {b"lamp": b"new"}
    close(store)


def test_a_change_made_while_an_older_one_of_its_key_is_on_its_way_is_what_is_read(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put(0, b"lamp", b"one")
    store.put(0, b"lamp", b"two")
    store.acknowledged(0, [(b"lamp", b"one")], 0)
    assert store.look_up(0, b"lamp") == b"two"
    store.acknowledged(0, [(b"lamp", b"two")], 1)
    assert store.look_up(0, b"lamp") == b"two"
    close(store)


def test_what_is_loaded_after_the_partition_was_taken_away_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store._close(0)
    with pytest.raises(Interrupted):
        store.load(0, [(b"lamp", b"one")], 0)
    assert store._dbs == {}


def test_what_the_changelog_removes_is_gone_from_disk(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.load(0, [(b"lamp", b"one"), (b"desk", b"two"), (b"lamp", None)], 2)
    assert dict(store.records(0)) == {b"desk": b"two"}
    close(store)


def test_a_partition_is_read_and_written_outside_of_a_stream(tmp_path: Path) -> None:
    sent: list[Any] = []
    table: Any = SimpleNamespace(data=open_store(tmp_path), changed=lambda *change: sent.append(change))
    table.data._db_for_partition(1)
    first, second = TablePartition(table, 0), TablePartition(table, 1)
    first[b"lamp"] = b"one"
    second[b"lamp"] = b"two"
    assert (first.get(b"lamp"), second.get(b"lamp"), second.get(b"desk")) == (b"one", b"two", None)
    assert sent == [(0, b"lamp", b"one"), (1, b"lamp", b"two")]
    assert dict(table.data.records(0)) == {}
    table.data.acknowledged(0, [(b"lamp", b"one")], 0)
    assert dict(table.data.records(0)) == {b"lamp": b"one"}
    close(table.data)


def test_a_partition_that_was_taken_away_is_neither_read_nor_written(tmp_path: Path) -> None:
    """Opened again, it would go on from an offset beyond records that it never saw."""
    store = open_store(tmp_path)
    store.put(0, b"lamp", b"one")
    table = SimpleNamespace(changelog_topic=SimpleNamespace(topics=["changelog"]))
    store.revoke_partitions(table, [SimpleNamespace(topic="changelog", partition=0)])
    with pytest.raises(Interrupted):
        store.look_up(0, b"lamp")
    with pytest.raises(Interrupted):
        store.put(0, b"lamp", b"two")
    store.acknowledged(0, [(b"lamp", b"one")], 20)
    assert store._dbs == {}


def test_a_store_in_memory_is_loaded_in_bulk() -> None:
    store: Any = MemoryStore("memory://", SimpleNamespace(), SimpleNamespace(name="table"), table_name="table")
    store.load(0, [(b"lamp", b"one"), (b"desk", b"two"), (b"lamp", None)], 2)
    assert store.data == {b"desk": b"two"}
    assert store.look_up(0, b"desk") == b"two"
    store.put(0, b"desk", b"three")
    assert store.look_up(0, b"desk") == b"three"
