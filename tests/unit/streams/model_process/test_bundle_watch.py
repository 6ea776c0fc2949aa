"""One model takes the place of another without a moment in which ranking knows only one of both."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.errors import InvalidBundle
from streams.model_process import bundle_watch as module
from streams.model_process.bundle_watch import BundleWatch
from streams.model_process.models import Models
from streams.settings import Settings


class Process:
    """The process of a model."""

    is_gone = False

    def __init__(self, version: str) -> None:
        self.version = version
        self.stopped = False

    async def stop(self, _seconds: float) -> None:
        self.stopped = True


class Place:
    """Where a bundle lies: its version, or what is wrong with it."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.problem = ""
        self.unreadable = ""
        self.started = ""
        self.last = Process("none")
        self.loads = 0
        self.now = 0.0
        self.shown: list[str] = []

    def read_manifest(self, _directory: Path) -> Any:
        if self.unreadable:
            raise InvalidBundle(self.unreadable)
        return SimpleNamespace(model_version=self.version)

    async def start(self) -> Any:
        self.loads += 1
        if self.problem:
            raise InvalidBundle(self.problem)
        self.last = Process(self.started or self.version)
        return self.last

    def show(self, process: Any) -> None:
        self.shown.append(process.version)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    found = Place("one")
    monkeypatch.setattr(module, "read_manifest", found.read_manifest)
    return found


@pytest.fixture
def models() -> Models[Any]:
    first: Any = Process("one")
    return Models(first)


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_seconds: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", sleep)


@pytest.fixture
def watch(place: Place, models: Models[Any], tmp_path: Path) -> BundleWatch:
    settings = Settings(data_dir=tmp_path, bundle_overlap_seconds=7, bundle_poll_seconds=3)
    return BundleWatch(settings, models, place.start, place.show, lambda: place.now)


def loaded(models: Models[Any]) -> set[str]:
    return {model.version for model in models.all()}


def test_ranking_knows_the_new_model_before_recall_works_with_it_and_the_old_one_after(
    watch: BundleWatch, place: Place, models: Models[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[tuple[float, str, set[str]]] = []
    first = models.current

    async def note(seconds: float) -> None:
        waits.append((seconds, models.current.version, loaded(models)))
        assert not first.stopped

    monkeypatch.setattr(asyncio, "sleep", note)
    place.version = "two"
    asyncio.run(watch.look())
    assert waits == [(7, "one", {"one", "two"}), (7, "two", {"one", "two"})]
    assert (models.current.version, loaded(models), place.shown) == ("two", {"two"}, ["two"])
    assert first.stopped
    assert not models.current.stopped


def test_a_bundle_that_is_turned_back_while_another_is_loaded_is_not_taken_for_it(
    watch: BundleWatch, place: Place, models: Models[Any]
) -> None:
    first = models.current
    place.version, place.started = "two", "one"
    asyncio.run(watch.look())
    assert place.last.stopped
    assert (models.all(), first.stopped) == ([first], False)


def test_a_model_that_ends_before_it_decides_changes_nothing(
    watch: BundleWatch,
    place: Place,
    models: Models[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def end(_seconds: float) -> None:
        place.last.is_gone = True

    monkeypatch.setattr(asyncio, "sleep", end)
    place.version = "two"
    asyncio.run(watch.look())
    assert (models.current.version, loaded(models), place.shown) == ("one", {"one"}, [])
    assert "model two: its process ended before it decided anything; still deciding with model one" in caplog.text


def test_the_same_bundle_is_not_loaded_again(watch: BundleWatch, place: Place) -> None:
    asyncio.run(watch.look())
    assert place.loads == 0


def test_a_bundle_that_cannot_be_loaded_changes_nothing_and_is_told_of_once(
    watch: BundleWatch, place: Place, models: Models[Any], caplog: pytest.LogCaptureFixture
) -> None:
    place.version, place.problem = "two", "the gate rejected it"
    for _ in range(2):
        asyncio.run(watch.look())
        place.now += 3
    assert (models.current.version, loaded(models), place.loads, place.shown) == ("one", {"one"}, 2, [])
    assert caplog.text.count("the gate rejected it; still deciding with model one") == 1


def test_a_bundle_that_cannot_be_loaded_is_tried_again_after_longer_and_longer_pauses(
    watch: BundleWatch, place: Place
) -> None:
    """Each try may take memory for two models, and a core."""
    tries: list[float] = []

    async def look_on() -> None:
        for place.now in (*range(0, 60, 3), *range(60, 3_600, 60)):
            loads = place.loads
            await watch.look()
            tries.extend([place.now] * (place.loads - loads))

    place.version, place.problem = "two", "its process ended"
    asyncio.run(look_on())
    assert tries[:5] == [0, 3, 9, 21, 45]
    assert tries[-3:] == [2_100, 2_700, 3_300]
    place.version, place.problem = "three", ""
    asyncio.run(watch.look())
    assert place.shown == ["three"]


@pytest.mark.parametrize("problem", ["", "no manifest"])
def test_a_bundle_that_is_turned_back_before_the_new_model_decides_stays(
    watch: BundleWatch, place: Place, models: Models[Any], monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    async def turn_back(_seconds: float) -> None:
        place.version, place.unreadable = "one", problem

    monkeypatch.setattr(asyncio, "sleep", turn_back)
    place.version = "two"
    asyncio.run(watch.look())
    assert (models.current.version, loaded(models), place.shown) == ("one", {"one"}, [])
    assert place.last.stopped


def test_looking_goes_on_whatever_happens(
    watch: BundleWatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[float] = []

    async def end_after_three(seconds: float) -> None:
        turns.append(seconds)
        if len(turns) > 3:
            raise asyncio.CancelledError

    def fail(_directory: Path) -> Any:
        raise MemoryError

    monkeypatch.setattr(asyncio, "sleep", end_after_three)
    monkeypatch.setattr(module, "read_manifest", fail)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch.run())
    assert turns == [3, 3, 3, 3]
    assert caplog.text.count("could not check for a new bundle") == 3
