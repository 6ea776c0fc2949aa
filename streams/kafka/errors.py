"""What an error that a consumer is told in place of a message means for it."""

from __future__ import annotations

from logging import Logger

from confluent_kafka import KafkaError, Message

from schemas.errors import KafkaUnavailable


def of_topic(error: KafkaError, topic: str | None) -> KafkaError:
    """Return the error of a message that was not delivered with the name of its topic, which it lacks."""
    return KafkaError(error.code(), f"{topic}: {error.str()}")


def log_or_raise(error: KafkaError, message: Message, what: str, log: Logger) -> None:
    """Log an error that passes, which came as a ``message``; ``what`` is read, as "the statistics".

    Raises :class:`KafkaUnavailable` where the consumer can do nothing more, as one that another consumer with its
    instance id has fenced. A message's error says so by its code alone: its ``fatal()`` is false (confluent-kafka
    2.16).
    """
    if error.code() == KafkaError._FATAL or error.fatal():
        raise KafkaUnavailable(f"{what} can no longer be read: {error.str()}; restart the worker")
    # That a fetch was refused does not say of which topic.
    topic = message.topic()
    log.warning("%s: %s", f"{what} of {topic}" if topic else what, error.str())
