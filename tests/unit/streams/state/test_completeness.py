"""A changelog that was cut is made whole by whom has what was cut, and else told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from streams.state.changelog import Place
from streams.state.completeness import WHOLE_FROM, check_and_repair, is_ours, note_lacking

PLACE = Place("table-changelog", 0)


class Store:
    """A store on disk, as far as completeness asks of it."""

    def __init__(self, content: dict[bytes, bytes] | None = None) -> None:
        self.content = content or {}

    def look_up(self, _partition: int, key: bytes) -> bytes | None:
        return self.content.get(key)

    def note(self, _partition: int, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.content.pop(key, None)
        else:
            self.content[key] = value

    def load(self, _partition: int, changes: list[tuple[bytes, bytes]], _offset: int) -> None:
        self.content.update(changes)

    def records(self, _partition: int) -> Iterator[tuple[bytes, bytes]]:
        return iter(list(self.content.items()))


class Written:
    """A changelog that begins at an offset."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.records: dict[bytes, bytes] = {}

    def write(self, _place: Place, records: Iterable[tuple[bytes, bytes]]) -> int:
        self.records.update(records)
        return self.first + len(self.records) - 1


def recover(changelog: Written, store: Store, known: int) -> tuple[bool, int | None]:
    """Do what recovery does, in its order."""
    lacks = note_lacking(store, PLACE, changelog.first, known)
    store.content.update(changelog.records)
    anything: Any = changelog
    return check_and_repair(anything, store, PLACE, changelog.first, lacks=lacks)


def test_a_changelog_that_was_never_cut_is_whole_for_an_empty_store() -> None:
    assert recover(Written(0), Store(), -1) == (True, None)


def test_a_store_that_has_what_was_cut_writes_it_again_and_the_next_empty_store_is_whole() -> None:
    changelog, holder = Written(100), Store({b"lamp": b"one"})
    assert recover(changelog, holder, 99) == (True, 101)
    assert changelog.records == {b"lamp": b"one", WHOLE_FROM: b"100"}
    newcomer = Store()
    assert recover(changelog, newcomer, -1) == (True, None)
    assert newcomer.content == {b"lamp": b"one", WHOLE_FROM: b"100"}
    assert recover(changelog, holder, 101) == (True, None)


def test_a_store_that_stood_before_the_cut_is_not_whole_and_does_not_pretend_to_be_when_it_starts_again() -> None:
    changelog, store = Written(100), Store({b"lamp": b"one"})
    assert recover(changelog, store, 50) == (False, None)
    assert recover(changelog, store, 120) == (False, None)
    assert changelog.records == {}


def test_one_that_was_not_whole_is_so_again_when_another_has_written_what_was_cut() -> None:
    changelog, store = Written(100), Store()
    assert recover(changelog, store, -1) == (False, None)
    recover(changelog, Store({b"lamp": b"one"}), 99)
    assert recover(changelog, store, 110) == (True, None)
    assert {key for key in store.content if not is_ours(key)} == {b"lamp"}
    # And when it is cut once more, this store has all that it takes.
    changelog.first, changelog.records = 200, {}
    assert recover(changelog, store, 199)[0]
    assert b"lamp" in changelog.records
