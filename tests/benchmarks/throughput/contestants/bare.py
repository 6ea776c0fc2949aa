"""The upper bound: a bare loop on librdkafka, without state, metrics or our delivery guarantees."""

from __future__ import annotations

from confluent_kafka import Consumer, Message, Producer

from tests.benchmarks.throughput.contestants.job import Job, Place, Source

# The batch size is ours. The loop flushes and commits once for several batches: waiting for the broker after every
# batch would slow it down, and it would not be an upper bound.
_BATCH = 64
_READ = 8 * _BATCH
_READ_SECONDS = 0.05


def main() -> None:
    """Work until killed."""
    place = Place.from_arguments()
    job = Job(place)
    producer = Producer(place.producer_config())
    consumer = Consumer(place.consumer_config("bare"))
    consumer.subscribe([place.source])
    while True:
        messages = consumer.consume(_READ, _READ_SECONDS)
        if not messages:
            continue
        for first in range(0, len(messages), _BATCH):
            for decided in job.decide([_source(message) for message in messages[first : first + _BATCH]]):
                producer.produce(decided.topic, decided.value, decided.key, headers=decided.headers)
        producer.flush()
        consumer.commit(asynchronous=True)


def _source(message: Message) -> Source:
    if (error := message.error()) is not None:
        raise RuntimeError(error.str())
    value = message.value()
    assert value is not None
    return message.partition(), message.offset(), message.key(), value


if __name__ == "__main__":
    main()
