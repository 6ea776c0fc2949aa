"""One model takes the place of another without a moment in which ranking knows only one of both."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.errors import InvalidBundle
from streams import models as module
from streams.metrics import Metrics
from streams.models import Models, ModelWatch, load_at_start
from streams.settings import Settings
from workers.encoders.static import StaticEncoder
from workers.ranking.ranking import Ranking
from workers.text.ngrams import NgramVectorizer

pytestmark = pytest.mark.unit


def bundle(version: str) -> Any:
    return SimpleNamespace(
        model_version=version,
        taxonomy_version="1",
        release="accepted",
        recall=SimpleNamespace(encoder=SimpleNamespace(name="static")),
    )


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


class Place:
    """Where a bundle lies: its version, or what is wrong with it."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.problem = ""
        self.loads = 0
        self.niceness = 0

    def read_manifest(self, _directory: Path) -> Any:
        return SimpleNamespace(model_version=self.version)

    def load(self, _settings: Settings, _current: Any) -> Any:
        self.loads += 1
        self.niceness = niceness()
        if self.problem:
            raise InvalidBundle(self.problem)
        return bundle(self.version)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    found = Place("one")
    monkeypatch.setattr(module, "read_manifest", found.read_manifest)
    return found


@pytest.fixture
def models() -> Models:
    return Models(bundle("one"))


@pytest.fixture
def watch(place: Place, models: Models, tmp_path: Path) -> ModelWatch:
    settings = Settings(data_dir=tmp_path, bundle_overlap_seconds=7, bundle_poll_seconds=3)
    return ModelWatch(settings, models, Metrics(), place.load)


def loaded(models: Models) -> set[str]:
    return {version for version in ("one", "two") if models.of(version) is not None}


def test_ranking_knows_the_new_model_before_recall_works_with_it_and_the_old_one_after(
    watch: ModelWatch, place: Place, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[tuple[float, str, set[str]]] = []

    async def note(seconds: float) -> None:
        waits.append((seconds, models.current.model_version, loaded(models)))

    monkeypatch.setattr(asyncio, "sleep", note)
    place.version = "two"
    asyncio.run(watch.look())
    assert waits == [(7, "one", {"one", "two"}), (7, "two", {"one", "two"})]
    assert (models.current.model_version, loaded(models)) == ("two", {"two"})


def test_the_same_bundle_is_not_loaded_again(watch: ModelWatch, place: Place) -> None:
    asyncio.run(watch.look())
    assert place.loads == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no niceness of threads")
def test_what_is_decided_meanwhile_goes_before_the_loading(watch: ModelWatch, place: Place) -> None:
    place.version, place.problem = "two", "it is only looked at"
    asyncio.run(watch.look())
    assert place.niceness == min(niceness() + 10, 19)


def test_a_bundle_that_cannot_be_loaded_changes_nothing_and_is_told_of_once(
    watch: ModelWatch, place: Place, models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    place.version, place.problem = "two", "the gate rejected it"
    for _ in range(2):
        asyncio.run(watch.look())
    assert (models.current.model_version, loaded(models), place.loads) == ("one", {"one"}, 2)
    assert caplog.text.count("the gate rejected it; model one goes on") == 1


def test_looking_goes_on_whatever_happens(
    watch: ModelWatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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
    assert caplog.text.count("cannot be looked at") == 3


def test_a_bundle_that_cannot_decide_is_refused(
    sample_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IndexError("no such row")

    monkeypatch.setattr(Ranking, "decide", fail)
    with pytest.raises(InvalidBundle, match=r"cannot decide: IndexError: no such row; make it anew"):
        load_at_start(Settings(bundle=sample_bundle, data_dir=tmp_path))
    assert gc.isenabled()


def test_a_model_that_is_forgotten_is_freed_though_the_collector_never_looks_at_it(
    sample_bundle: Path, tmp_path: Path
) -> None:
    def alive() -> int:
        gc.unfreeze()
        return sum(isinstance(thing, (StaticEncoder, NgramVectorizer, Ranking)) for thing in gc.get_objects())

    gc.collect()
    before = alive()
    loaded = load_at_start(Settings(bundle=sample_bundle, data_dir=tmp_path))
    gc.disable()
    try:
        assert alive() > before
        del loaded
        assert alive() == before
    finally:
        gc.enable()
