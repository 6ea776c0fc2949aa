"""Whether a product was ever decided."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW
from streams.clients.partition_reader import TopicReader
from streams.kafka.partitioner import partition_of
from streams.settings import Settings

# First the topic that usually holds less, and more of the products that a person decides on.
_TOPICS: Final = (CATEGORIES_NEEDS_REVIEW, CATEGORIES_ASSIGNED)


def was_decided(settings: Settings, product_id: str) -> bool:
    """Return whether a decision topic has a message on the product; a removed one counts until compaction.

    Reads the product's partition of each topic until it is found. Raises
    :class:`schemas.errors.KafkaUnavailable`.
    """
    key = product_id.encode(errors="surrogateescape")  # no product has an id that is no UTF-8
    for topic in _TOPICS:
        with closing(TopicReader(settings, topic)) as reader:
            partition = partition_of(key, len(reader.partitions))
            if any(event.key == key for event in reader.read_on([partition])):
                return True
    return False
