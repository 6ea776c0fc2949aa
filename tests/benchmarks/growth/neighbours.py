"""Search in labelled neighbours: exact, over all in eight bits, and with inverted lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from time import perf_counter, process_time

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from schemas.events.product import Product
from tests.benchmarks.throughput.events import product
from workers.arrays.eight_bits import EightBits
from workers.arrays.inverted_lists import LEAST_VECTORS, InvertedLists
from workers.arrays.nearest import flat_index, nearest
from workers.encoders.base import Encoder
from workers.sample import generate_catalogue
from workers.sample.dice import Dice
from workers.text.product_text import branded_text

_BATCH = 64
_FOUND = 48
_LOOKED_AT = 10
_TEXTS_AT_ONCE = 8_192
# Exact search in a million vectors takes a tenth of a second per product.
_EXACT_QUERIES = 256


class Point(msgspec.Struct):
    """The cost for a number of vectors in CPU microseconds per product; ``recall`` is that of the ten nearest.

    ``exact_us`` is for FAISS's flat index, ``used_us`` for what the model uses with so many vectors,
    ``eight_bits_us`` for what it uses with fewer.
    """

    vectors: int
    exact_us: float
    eight_bits_us: float
    eight_bits_recall: float
    used: str
    used_us: float
    recall: float
    build_seconds: float


def measure(
    encoder: Encoder, real: list[Product], counts: Iterable[int], queries: int, seed: int
) -> Iterator[Point]:
    """Yield a point for each count of vectors of distinct generated titles, and of real ones if given."""
    largest = max(counts)
    vectors = _vectors(encoder, products(seed, largest + queries, real))
    asked = vectors[np.random.default_rng(seed).permutation(len(vectors))[:queries]]
    for count in counts:
        yield _point(np.ascontiguousarray(vectors[:count]), asked)


def _point(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> Point:
    flat = flat_index(vectors)
    exact, exact_us = _timed(lambda part: flat.search(part, _FOUND)[1], queries[:_EXACT_QUERIES])
    all_of_them = EightBits(vectors)
    rows, eight_bits_us = _timed(lambda part: nearest(vectors, part, _FOUND, all_of_them)[1], queries)
    recall = _recall(exact, rows)
    found = Point(len(vectors), exact_us, eight_bits_us, recall, "eight bits", eight_bits_us, recall, 0.0)
    if len(vectors) < LEAST_VECTORS:
        return found
    began = perf_counter()
    lists = InvertedLists.of(vectors)
    built = perf_counter() - began
    rows, used_us = _timed(lambda part: nearest(vectors, part, _FOUND, lists)[1], queries)
    return replace(found, used="inverted lists", used_us=used_us, recall=_recall(exact, rows), build_seconds=built)


def _timed(
    search: Callable[[NDArray[np.float32]], NDArray[np.int64]], queries: NDArray[np.float32]
) -> tuple[NDArray[np.int64], float]:
    """Return the rows found, and the CPU microseconds per query."""
    search(queries[:_BATCH])
    began = process_time()
    rows = [search(queries[start : start + _BATCH]) for start in range(0, len(queries), _BATCH)]
    return np.concatenate(rows), 1e6 * (process_time() - began) / len(queries)


def _recall(exact: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    pairs = zip(exact[:, :_LOOKED_AT], found[:, :_LOOKED_AT], strict=False)
    return float(np.mean([len(np.intersect1d(*pair)) / _LOOKED_AT for pair in pairs]))


def products(seed: int, count: int, real: list[Product]) -> Iterator[Product]:
    """Yield the real products, then generated ones up to ``count`` in total."""
    dice = Dice(seed)
    yield from real
    for row in generate_catalogue(seed, max(count - len(real), 0)):
        yield product(dice, row)


def _vectors(encoder: Encoder, items: Iterator[Product]) -> NDArray[np.float32]:
    """Return vectors, float32 (n, d), in an order that mixes real and generated products."""
    parts = []
    while batch := list(islice(items, _TEXTS_AT_ONCE)):
        parts.append(encoder.encode([branded_text(item) for item in batch]))
    vectors = np.concatenate(parts)
    known = vectors[np.any(vectors, axis=1)]
    return known[np.random.default_rng(0).permutation(len(known))]
