"""Quix Streams as in its documentation: functions that are applied to one message after the other."""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application, message_context
from quixstreams.models.serializers import Serializer

from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW
from tests.benchmarks.throughput.contestants.job import Decided, Job, Place


def main() -> None:
    """Work until killed."""
    place = Place.from_arguments()
    job = Job(place)
    # Use the same client settings as all contestants, except those that Quix Streams sets itself. Its own settings
    # keep their defaults (at least once, a checkpoint every 5 s).
    own = ("bootstrap.servers", "group.id", "enable.auto.commit", "auto.offset.reset")
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            broker_address=place.bootstrap_servers,
            consumer_group=f"{place.prefix}quix",
            auto_offset_reset="earliest",
            consumer_extra_config=_without(place.consumer_config("quix"), own),
            producer_extra_config=_without(place.producer_config(), own),
            state_dir=state,
            auto_create_topics=False,
            loglevel="WARNING",
        )
        source = app.topic(place.source, key_deserializer="bytes", value_deserializer="bytes")
        outputs = {
            name: app.topic(name, key_serializer="bytes", value_serializer=_Value())
            for name in (place.topic(CATEGORIES_ASSIGNED), place.topic(CATEGORIES_NEEDS_REVIEW))
        }

        def classify(value: bytes, key: bytes, _timestamp: int, _headers: Any) -> Decided:
            context = message_context()
            return job.decide([(context.partition, context.offset, key, value)])[0]

        decisions = app.dataframe(source).apply(classify, metadata=True)
        decisions = decisions.set_headers(lambda decided, *_: decided.headers)
        decisions.to_topic(lambda decided, *_: outputs[decided.topic])
        app.run()


class _Value(Serializer):
    def __call__(self, decided: Decided, *_: Any, **__: Any) -> bytes:
        return decided.value


def _without(config: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in names}


if __name__ == "__main__":
    main()
