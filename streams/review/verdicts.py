"""What people decided, and the products that they decided on, as Kafka holds both now."""

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
    """The last verdict on each product, by product id, and how many messages were none.

    ``unknown`` counts, by category, the verdicts for one that the tree lacks; they leave an earlier one as it is.
    """

    latest: dict[str, ReviewDecided] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    _newest: dict[str, int] = field(default_factory=dict)

    def add(self, event: PublishedEvent, partitions: int, taxonomy: Taxonomy) -> None:
        """Take in a message of the topic, which has so many partitions.

        A verdict that died and was sent again is no newer than when it was first given; a null value takes the
        product's verdict back.
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
            # Not those of the settings: the worker's may be set where it runs alone.
            found.add(event, len(reader.partitions), taxonomy)
    return found


def read_products(
    settings: Settings, wanted: Container[str], on_read: OnRead = lambda: None
) -> dict[str, Product]:
    """Return those of the products on the topic that are wanted, each as it was last published.

    A product that was removed since is as it was before. Raises :class:`schemas.errors.KafkaUnavailable`.
    """
    found: dict[str, Contenders[Product]] = {}
    for event in read_topic(settings, PRODUCTS_CHANGED):
        on_read()
        # A feed may leave the key out; where there is one, most need not be decoded.
        if event.value is None or (event.key and event.key.decode(errors="replace") not in wanted):
            continue
        try:
            product = decode_product(event.value, event.key)
        except InvalidEvent:  # a dead letter, of which intake has told
            continue
        if product.product_id in wanted:
            found.setdefault(product.product_id, Contenders()).add(product.updated_at, event.first_offset, product)
    return {product_id: contenders.items[-1][1] for product_id, contenders in found.items()}


def _verdict(event: PublishedEvent, partitions: int) -> tuple[str, ReviewDecided | None]:
    key, verdict = read_verdict(event.key, event.value, event.partition, partitions)
    try:
        return key.decode(), verdict
    except UnicodeDecodeError as error:
        raise InvalidEvent(Reason.INVALID_UTF8, f"the key of a verdict: {error}") from None
