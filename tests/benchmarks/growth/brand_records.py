"""Brands as the stream learns them: their names, statistics and changelog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from confluent_kafka import KafkaError

from schemas.events.codec import encode
from streams.outgoing import Outgoing
from streams.sender import Sender
from streams.settings import Settings
from streams.tables import STATISTICS, changelog_name, statistics_partition
from workers.learning import KeyStatistics

MOST_BRANDS = 1_000_000
_MOST_CATEGORIES = 5
_SYLLABLES = ("ba", "co", "di", "fe", "gu", "ka", "lo", "mi", "ne", "ru")
_SECONDS = 60.0


def brand_name(number: int) -> str:
    """Return the name of a brand, numbered from 0 to 999,999.

    It has two words out of a thousand, so word caches know them all.
    """
    syllables = [_SYLLABLES[int(digit)] for digit in f"{number:06d}"]
    return f"{''.join(syllables[:3])} {''.join(syllables[3:])}"


def records(categories: Sequence[str], partitions: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the key and value of each brand: one to five of the categories, learned on several partitions."""
    chance = Random(seed)
    for number in range(MOST_BRANDS):
        sold = chance.sample(categories, chance.randint(1, _MOST_CATEGORIES))
        weights = {category: float(chance.randint(1, 500)) for category in sold}
        places = chance.sample(range(partitions), min(len(sold), partitions))
        applied = {f"categories.assigned.v1-{place}": chance.randrange(10_000_000) for place in places}
        yield brand_name(number).encode(), encode(KeyStatistics(weights, applied))


def write(settings: Settings, brands: Iterator[tuple[bytes, bytes]]) -> None:
    """Write brands to an installation's changelog; raises :class:`RuntimeError` if some did not arrive."""
    failures = []

    def arrived(error: KafkaError | None) -> None:
        if error is not None:
            failures.append(error)

    sender = Sender(settings.kafka, "brands")
    topic = changelog_name(settings, STATISTICS["brand"])
    for key, value in brands:
        partition = statistics_partition("brand", key, settings.partitions)
        sender.send(Outgoing(topic, key, value, [], partition), arrived)
    missing = sender.flush(_SECONDS)
    if failures or missing:
        raise RuntimeError(f"{len(failures) + missing} brands did not arrive: {failures[:1]}")
