"""Seeded table records as the agents write them, for any number of products, brands and stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from schemas.events.codec import encode
from schemas.events.learning import Said
from schemas.events.position import SourcePosition
from schemas.events.statistics import StatisticKind
from streams.tables import PRODUCT_CONTRIBUTIONS, PRODUCT_DIGESTS, STATISTICS, statistics_partition
from workers.history import ProductRecord
from workers.learning import AppliedEvent, KeyStatistics, ProductState

_CATEGORIES = 5_595
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Size:
    """The numbers of keys. The product with number ``n`` is in partition ``n % partitions``."""

    products: int
    brands: int
    stores: int
    partitions: int

    @classmethod
    def of(cls, products: int, partitions: int) -> Size:
        """Return the size with brands and stores in the same proportion as in a large installation."""
        return cls(products, max(products // 25, 1), max(products // 100, 1), partitions)

    @property
    def records(self) -> int:
        """The number of records in all tables; each product has two."""
        return 2 * self.products + self.brands + self.stores


def product_key(number: int) -> bytes:
    """Return a product's key."""
    return f"shop-{number % 977}:{number:09d}".encode()


def product_record(number: int, chance: Random) -> bytes:
    """Return recall's record of a product; every second one has a date."""
    date = _BEGAN + timedelta(seconds=number) if number % 2 else None
    digest = f"{chance.getrandbits(96):024x}"
    return encode(ProductRecord(number % 8, number, date, digest, number))


def product_state(number: int, size: Size, chance: Random) -> bytes:
    """Return a product's contribution: seven in ten are confident assignments, one in fifty has a verdict."""
    brand = f"brand {_skewed(size.brands, chance)}"
    stores = tuple(f"store-{_skewed(size.stores, chance)}.example" for _ in range(chance.choice((1, 1, 2))))
    category = str(1 + _skewed(_CATEGORIES, chance)) if chance.random() < 0.7 else None
    position = SourcePosition("categories.assigned.v1", number % size.partitions, number)
    verdict = Said(number, category="1604", brand=brand, stores=stores) if chance.random() < 0.02 else None
    assigned = Said(number, number, category, brand, stores)
    return encode(ProductState(assigned, verdict=verdict, last_applied=(AppliedEvent(position, (), None),)))


def key_statistics(partitions: int, chance: Random) -> bytes:
    """Return the weights of a brand or store: most sell in a few categories, some in hundreds."""
    count = min(int(chance.paretovariate(0.9)) + 1, 400)
    weights = {str(1 + _skewed(_CATEGORIES, chance)): float(chance.randrange(1, 500)) for _ in range(count)}
    places = chance.sample(range(partitions), min(count, partitions))
    applied = {f"categories.assigned.v1-{place}": chance.randrange(10_000_000) for place in places}
    return encode(KeyStatistics(weights, applied))


def records(size: Size, seed: int) -> Iterator[tuple[str, int, bytes, bytes]]:
    """Yield the table, partition, key and value of every record."""
    chance = Random(seed)
    for number in range(size.products):
        partition, key = number % size.partitions, product_key(number)
        yield PRODUCT_DIGESTS, partition, key, product_record(number, chance)
        yield PRODUCT_CONTRIBUTIONS, partition, key, product_state(number, size, chance)
    names: tuple[tuple[StatisticKind, int, str], ...] = (
        ("brand", size.brands, "brand {}"),
        ("store", size.stores, "store-{}.example"),
    )
    for kind, count, name in names:
        for number in range(count):
            key = name.format(number).encode()
            partition = statistics_partition(kind, key, size.partitions)
            yield STATISTICS[kind], partition, key, key_statistics(size.partitions, chance)


def _skewed(count: int, chance: Random) -> int:
    return int(count * chance.random() ** 3)
