"""People's verdicts, and the products that they are about, as Kafka holds both now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from schemas.errors import InvalidEvent
from schemas.events.dead_letter import Reason
from schemas.events.product import Product, decode_product
from schemas.events.review import ReviewDecided
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import PRODUCTS_CHANGED, REVIEWS_DECIDED
from streams.clients.partition_reader import PublishedEvent, TopicReader, read_topic
from streams.learning.verdict import read_verdict
from streams.settings import Settings
from workers.precedence import Contenders

OnRead = Callable[[], None]
_NOT_AGAIN: Final = -1


@dataclass(slots=True)
class Verdicts:
    """The last verdict on each product, by product id; ``invalid`` counts messages that are not verdicts.

    ``unknown`` counts, by category, verdicts for a category that the tree lacks; they do not replace earlier ones.
    """

    latest: dict[str, ReviewDecided] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    _newest: dict[str, int] = field(default_factory=dict)

    def add(self, event: PublishedEvent, partitions: int, taxonomy: Taxonomy) -> None:
        """Add a message of the topic, which has ``partitions`` partitions.

        A verdict that became a dead letter and was sent again counts as given when it was first published. A null
        value withdraws the product's verdict.
        """
        try:
            product_id, verdict = _verdict(event, partitions)
        except InvalidEvent:
            self.invalid += 1
            return
        if event.first_offset < self._newest.get(product_id, _NOT_AGAIN):
            return
        category = None if verdict is None else verdict.category_id
        if category is not None and taxonomy.find_id(category) is None:
            self.unknown[category] += 1
            return
        self._newest[product_id] = event.first_offset
        if verdict is None:
            self.latest.pop(product_id, None)
        else:
            self.latest[product_id] = verdict


def read_verdicts(settings: Settings, taxonomy: Taxonomy, on_read: OnRead = lambda: None) -> Verdicts:
    """Return the verdicts on the topic; raises :class:`schemas.errors.KafkaUnavailable`."""
    found = Verdicts()
    with closing(TopicReader(settings, REVIEWS_DECIDED)) as reader:
        for event in reader.read_on(reader.partitions):
            on_read()
            # Not the number in the settings, which may be set for the worker only.
            found.add(event, len(reader.partitions), taxonomy)
    return found


def read_products(
    settings: Settings, wanted: Container[str], on_read: OnRead = lambda: None
) -> dict[str, Product]:
    """Return the ``wanted`` products, each as last published on the topic.

    A product that was removed is returned as it was before. Raises :class:`schemas.errors.KafkaUnavailable`.
    """
    found: dict[str, Contenders[Product]] = {}
    for event in read_topic(settings, PRODUCTS_CHANGED):
        on_read()
        # A feed may omit the key; with a key, most products need not be decoded.
        if event.value is None or (event.key and event.key.decode(errors="replace") not in wanted):
            continue
        try:
            product = decode_product(event.value, event.key)
        except InvalidEvent:  # a dead letter, which intake has reported
            continue
        if product.product_id in wanted:
            found.setdefault(product.product_id, Contenders()).add(product.updated_at, event.first_offset, product)
    return {product_id: contenders.items[-1][1] for product_id, contenders in found.items()}


def newest_verdicts(settings: Settings, keys: Container[bytes]) -> dict[tuple[int, bytes], int]:
    """Return the first offset of the newest message on each of these keys, by partition and key.

    Raises :class:`schemas.errors.KafkaUnavailable`.
    """
    found: dict[tuple[int, bytes], int] = {}
    for event in read_topic(settings, REVIEWS_DECIDED):
        if event.key is not None and event.key in keys:
            place = event.partition, event.key
            found[place] = max(found.get(place, event.first_offset), event.first_offset)
    return found


def _verdict(event: PublishedEvent, partitions: int) -> tuple[str, ReviewDecided | None]:
    key, verdict = read_verdict(event.key, event.value, event.partition, partitions)
    try:
        return key.decode(), verdict
    except UnicodeDecodeError as error:
        raise InvalidEvent(Reason.INVALID_UTF8, f"the key of a verdict: {error}") from None
