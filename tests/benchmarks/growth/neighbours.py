"""Labelled neighbours, compared with all or through inverted lists; categories are found by the first way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from time import perf_counter, process_time

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from tests.benchmarks.throughput.events import product
from workers.arrays.inverted_lists import LEAST_VECTORS, InvertedLists
from workers.arrays.nearest import Index, nearest
from workers.encoders.base import Encoder
from workers.sample import generate_catalogue
from workers.sample.dice import Dice
from workers.text.product_text import branded_text

_BATCH = 64
_FOUND = 48
_LOOKED_AT = 10
_TEXTS_AT_ONCE = 8_192
# Exact search in a million vectors takes a tenth of a second a product.
_EXACT_QUERIES = 256


class Point(msgspec.Struct):
    """What a number of vectors costs, in CPU microseconds a product; ``recall`` is of the ten nearest.

    Fewer than :data:`LEAST_VECTORS` are always compared with all.
    """

    vectors: int
    exact_us: float
    used: str
    used_us: float
    recall: float
    build_seconds: float


def measure(
    encoder: Encoder, real: list[Product], counts: Iterable[int], queries: int, seed: int
) -> Iterator[Point]:
    """Yield a point for each count: vectors of distinct generated titles, and of real ones where there are."""
    largest = max(counts)
    vectors = _vectors(encoder, products(seed, largest + queries, real))
    asked = vectors[np.random.default_rng(seed).permutation(len(vectors))[:queries]]
    for count in counts:
        yield _point(np.ascontiguousarray(vectors[:count]), asked)


def _point(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> Point:
    few = queries[:_EXACT_QUERIES]
    exact_rows, exact_us = _search(None, vectors, few)
    if len(vectors) < LEAST_VECTORS:
        return Point(len(vectors), exact_us, "exact", exact_us, 1.0, 0.0)
    began = perf_counter()
    lists = InvertedLists.of(vectors)
    built = perf_counter() - began
    rows, used_us = _search(lists, vectors, queries)
    found = [
        len(np.intersect1d(exact[:_LOOKED_AT], ours[:_LOOKED_AT])) / _LOOKED_AT
        for exact, ours in zip(exact_rows, rows, strict=False)
    ]
    return Point(len(vectors), exact_us, "inverted lists", used_us, float(np.mean(found)), built)


def _search(
    index: Index | None, vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> tuple[NDArray[np.int64], float]:
    """Return the rows found, and CPU microseconds a query."""
    began = process_time()
    rows = [
        nearest(vectors, queries[start : start + _BATCH], _FOUND, index)[1]
        for start in range(0, len(queries), _BATCH)
    ]
    return np.concatenate(rows), 1e6 * (process_time() - began) / len(queries)


def products(seed: int, count: int, real: list[Product]) -> Iterator[Product]:
    """Yield real products, and generated ones up to ``count``."""
    dice = Dice(seed)
    yield from real
    for row in generate_catalogue(seed, max(count - len(real), 0)):
        yield product(dice, row)


def _vectors(encoder: Encoder, items: Iterator[Product]) -> NDArray[np.float32]:
    """Return vectors float32 (n, d) in an order that mixes real and generated products."""
    parts = []
    while batch := list(islice(items, _TEXTS_AT_ONCE)):
        parts.append(encoder.encode([branded_text(item) for item in batch]))
    vectors = np.concatenate(parts)
    known = vectors[np.any(vectors, axis=1)]
    return known[np.random.default_rng(0).permutation(len(known))]
