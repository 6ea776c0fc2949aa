"""Handle the errors that a consumer receives instead of a message."""

from __future__ import annotations

from logging import Logger

from confluent_kafka import KafkaError, Message

from schemas.errors import KafkaUnavailable


def of_topic(error: KafkaError, topic: str | None) -> KafkaError:
    """Return the error of an undelivered message with the name of its topic, which it lacks."""
    return KafkaError(error.code(), f"{topic}: {error.str()}")


def log_or_raise(error: KafkaError, message: Message, what: str, log: Logger) -> None:
    """Log a temporary error received as ``message``; ``what`` is what is being read, such as "the statistics".

    Raises :class:`KafkaUnavailable` if the consumer cannot continue, for example if another consumer with the same
    instance id has fenced it. Only the code of a message's error shows this: its ``fatal()`` is false
    (confluent-kafka 2.16).
    """
    if error.code() == KafkaError._FATAL or error.fatal():
        raise KafkaUnavailable(f"{what} can no longer be read: {error.str()}; restart the worker")
    # The error of a refused fetch does not name the topic.
    topic = message.topic()
    log.warning("%s: %s", f"{what} of {topic}" if topic else what, error.str())
