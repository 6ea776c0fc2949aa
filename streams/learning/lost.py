"""Report what Kafka deleted before learning read it: the statistics lack it for good, so operators must know."""

from __future__ import annotations

import logging
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import LEARNING_BATCHED, STATISTICS_CHANGED
from streams.kafka.watermarks import watermarks
from streams.metrics import Metrics
from streams.settings import Settings

_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


def report_lost(settings: Settings, metrics: Metrics) -> None:
    """Report messages that were deleted while no worker learned; blocks until the broker answers."""
    consumer = Consumer(settings.observer_config("learning"))
    names = [settings.topic(topic) for topic in (LEARNING_BATCHED, STATISTICS_CHANGED)]
    places = [TopicPartition(name, number) for name in names for number in range(settings.partitions)]
    try:
        for place in consumer.committed(places, timeout=_SECONDS):
            if place.error is not None or place.offset < 0:
                continue
            first, _ = watermarks(consumer, TopicPartition(place.topic, place.partition), _SECONDS)
            if place.offset < first:
                _tell(metrics, place, first)
    except KafkaException as error:
        _log.warning(
            "whether anything was deleted before it was learned from is not known: %s", error.args[0].str()
        )
    finally:
        consumer.close()


def _tell(metrics: Metrics, place: TopicPartition, first: int) -> None:
    metrics.events_lost(place.topic, first - place.offset)
    _log.error(
        "%s/%d: offsets %d to %d were deleted before they were learned from, so weights of brands, stores and tags"
        " stay wrong; rebuild them as docs/state.md tells, A truncated changelog",
        place.topic,
        place.partition,
        place.offset,
        first - 1,
    )
