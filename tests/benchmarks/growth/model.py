"""The CPU microseconds per product of the whole model, by stage, for trees and events of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from schemas.events.codec import encode
from schemas.events.product import decode_product
from tests.benchmarks.growth.tree import bundle_on_any
from tests.benchmarks.throughput.events import Event, generate
from tests.benchmarks.throughput.model_alone import BATCH, cost
from workers.bundle.bundle import Bundle, load_bundle


class TreePoint(msgspec.Struct):
    """The cost with a tree of this many nodes."""

    nodes: int
    us: dict[str, float]


class EventPoint(msgspec.Struct):
    """The cost of events of this many bytes on average."""

    bytes: int
    us: dict[str, float]


def by_tree(
    nodes: Iterable[int], products: int, seed: int, directory: Path, say: Callable[[str], None]
) -> Iterator[TreePoint]:
    """Yield a point for each number of nodes; models are fitted into ``directory``, or reused from there."""
    events = generate(seed, products)
    for count in nodes:
        say(f"a model on {count:,} nodes")
        yield TreePoint(count, _warm_cost(load_bundle(bundle_on_any(count, directory)), events))


def by_event(bundle: Path, sizes: Iterable[int], products: int, seed: int) -> Iterator[EventPoint]:
    """Yield a point for each size in bytes, which is reached by appending other products' descriptions."""
    model, events = load_bundle(bundle), generate(seed, products)
    for size in sizes:
        grown = _grown(events, size)
        mean = sum(len(value) for _, value in grown) // len(grown)
        yield EventPoint(mean, _warm_cost(model, grown))


def _grown(events: Sequence[Event], size: int) -> list[Event]:
    products = [decode_product(value, key) for key, value in events]
    texts = [product.description or product.title for product in products]
    found = []
    for place, (product, (key, value)) in enumerate(zip(products, events, strict=True)):
        parts, length = [product.description or ""], len(value)
        other = place
        while length < size:
            other = (other + 1) % len(texts)
            parts.append(texts[other])
            length += len(texts[other].encode()) + 1
        found.append((key, encode(msgspec.structs.replace(product, description=" ".join(parts)))))
    return found


def _warm_cost(model: Bundle, events: Sequence[Event]) -> dict[str, float]:
    cost(model, events, BATCH)
    return cost(model, events, BATCH)
