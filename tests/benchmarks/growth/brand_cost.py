"""What the brands of a changelog cost a new process: memory, time to read, CPU of recall."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

import msgspec
from threadpoolctl import threadpool_limits

from schemas.events.product import Product, decode_product
from streams.learned.follower import Follower
from streams.learned.statistics import LearnedStatistics
from streams.settings import Settings
from tests.benchmarks.growth.brand_records import brand_name
from tests.benchmarks.throughput.events import generate
from tests.benchmarks.throughput.model_alone import BATCH, Costs
from tests.process_tree import memory_bytes
from workers.bundle.bundle import load_bundle
from workers.recall.encode import encode_products
from workers.recall.recall import Recall
from workers.signals.brand_frequency import BrandFrequency
from workers.statistics import Statistics

_PASSES = 5
# One pass of the signal alone takes only milliseconds, too short to measure without noise.
_PASSES_OF_SIGNAL = 16


class BrandPoint(msgspec.Struct):
    """The cost of this many learned brands: MB of 10^6 bytes, seconds to read them, CPU microseconds per product.

    ``recall_us`` is for all signals, ``brand_frequency_us`` for the signal that looks up brands.
    """

    brands: int
    memory_mb: float
    read_seconds: float
    recall_us: float
    brand_frequency_us: float


def measure(settings: Settings, bundle: Path, brands: int, products: int, seed: int) -> BrandPoint:
    """Read the statistics as a worker does, then recall products with brands drawn uniformly from all.

    Drawing uniformly is the most expensive case, because recently used brands are cached. Raises
    :class:`RuntimeError` if the statistics cannot be read.
    """
    before, began = _resident_mb(), perf_counter()
    statistics = _read(settings)
    seconds, memory = perf_counter() - began, _resident_mb() - before
    with threadpool_limits(1):
        recall = load_bundle(bundle).recall
        items = [decode_product(value, key) for key, value in generate(seed, products)]
        asked = _Asked(recall, items, brands, statistics, Random(seed))
        asked.brand_frequency_us()
        asked.recall_us()
        recall_us = median(asked.recall_us() for _ in range(_PASSES))
        return BrandPoint(brands, memory, seconds, recall_us, asked.brand_frequency_us())


class _Asked:
    """Products that are recalled repeatedly, each time with newly drawn brands."""

    def __init__(
        self, recall: Recall, products: Sequence[Product], brands: int, statistics: Statistics, chance: Random
    ) -> None:
        self._recall = recall
        self._products = products
        self._brands = brands
        self._statistics = statistics
        self._chance = chance

    def recall_us(self) -> float:
        """Return the CPU microseconds per product of one pass of all signals."""
        costs = Costs()
        for first in range(0, len(self._products), BATCH):
            encoded = encode_products(self._recall.encoder, self._drawn(first), self._statistics)
            costs.of("recall", self._recall.of, encoded)
        return 1e6 * costs.seconds["recall"] / len(self._products)

    def brand_frequency_us(self) -> float:
        """Return the CPU microseconds per product of the signal alone, averaged over several passes."""
        signal = next(each for each in self._recall.signals if isinstance(each, BrandFrequency))
        costs = Costs()
        for first in range(0, len(self._products), BATCH):
            encoded = encode_products(self._recall.encoder, self._drawn(first), self._statistics)
            for _ in range(_PASSES_OF_SIGNAL):
                costs.of("signal", signal.score, replace(encoded, products=self._drawn(first)))
        return 1e6 * costs.seconds["signal"] / (_PASSES_OF_SIGNAL * len(self._products))

    def _drawn(self, first: int) -> list[Product]:
        return [
            msgspec.structs.replace(product, brand=brand_name(self._chance.randrange(self._brands)))
            for product in self._products[first : first + BATCH]
        ]


def _read(settings: Settings) -> LearnedStatistics:
    statistics = LearnedStatistics(settings)
    follower = Follower(settings, statistics.handlers)
    follower.start()
    follower.await_caught_up()
    follower.stop()
    if follower.failure is not None:
        raise RuntimeError("the statistics cannot be read") from follower.failure
    return statistics


def _resident_mb() -> float:
    return memory_bytes(os.getpid(), "VmRSS") / 1e6
