"""What is exempt from collection is not looked at by the collector, which goes on with the rest."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from workers.garbage import collect_rarely, exempt_from_collection


class Node:
    """May know itself, and then is garbage that only the collector finds."""

    itself: Node


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    assert gc.isenabled()


def test_what_is_exempt_is_not_gone_through() -> None:
    with exempt_from_collection():
        assert not gc.isenabled()
        model = [Node() for _ in range(1_000)]
    assert gc.get_freeze_count() >= len(model)
    assert not any(isinstance(item, Node) for item in gc.get_objects())


def test_garbage_made_later_is_found() -> None:
    with exempt_from_collection():
        pass
    node = Node()
    node.itself = node
    alive = weakref.ref(node)
    del node
    gc.collect()
    assert alive() is None


def test_collection_goes_on_after_a_failure() -> None:
    with pytest.raises(ValueError, match="no model"), exempt_from_collection():
        raise ValueError("no model")
    assert gc.isenabled()


def test_it_is_collected_less_often_than_by_default() -> None:
    gc.set_threshold(700)
    collect_rarely()
    assert gc.get_threshold()[0] > 700
