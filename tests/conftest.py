"""Fixtures for all tests."""

from __future__ import annotations

import asyncio
import inspect
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from schemas.errors import KafkaUnavailable
from streams.kafka.cluster import Cluster, open_cluster
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from tests.clock import Clock
from tests.own_kafka import own_kafka, skip_or_fail
from tests.sample_model import fit_sample
from workers.bundle.bundle import Bundle, load_bundle

_REPORTED: Final = pytest.StashKey[list[str]]()

# The duration of an example depends more on the load of the machine than on the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine, in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in given}))
    return True


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that takes lines to show at the end of the run: figures that fail no test."""
    return request.config.stash.setdefault(_REPORTED, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the reported lines."""
    if lines := config.stash.get(_REPORTED, []):
        terminalreporter.section("measured, of this machine and minute")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Cluster]:
    """One real Kafka for the whole run; tests separate their topics by :func:`topic_prefix`.

    ``SHELFWISE_TEST_BOOTSTRAP_SERVERS`` names an existing cluster. If there is no Kafka, the tests fail and say
    why, unless ``SHELFWISE_TEST_WITHOUT_KAFKA=1`` skips them.
    """
    connection = KafkaConnection(bootstrap_servers=os.environ.get("SHELFWISE_TEST_BOOTSTRAP_SERVERS"))
    try:
        with open_cluster(connection) as cluster:
            yield cluster
        return
    except KafkaUnavailable as error:
        problem = str(error)
    skip_or_fail(problem)


@pytest.fixture(scope="session")
def sample_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a real model bundle, fitted on the sample catalogue; tests must not change it."""
    return fit_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def bundle(sample_bundle: Path) -> Bundle:
    """The model of that directory."""
    return load_bundle(sample_bundle)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test moves it."""
    return Clock()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and consumer groups that no other test uses."""
    return f"t{uuid.uuid4().hex[:8]}."


@pytest.fixture
def broker() -> Iterator[LocalKafka]:
    """A Kafka of the test's own, to stop, freeze and kill; it needs Java."""
    with own_kafka() as own:
        yield own
