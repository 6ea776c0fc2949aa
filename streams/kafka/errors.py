"""Handle the errors that a consumer receives instead of a message."""

from __future__ import annotations

from logging import Logger
from typing import Final

from confluent_kafka import KafkaError, Message

from schemas.errors import KafkaUnavailable

# Since Kafka 3.6 brokers refuse times that are further ahead of their clock than message.timestamp.after.max.ms
# (an hour since 4.0), without saying that it is the time that they refuse.
_REFUSED_TIMES: Final = (KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP)


def of_topic(error: KafkaError, topic: str | None) -> KafkaError:
    """Return the error of an undelivered message with its topic, and the likely cause if it names none."""
    text = f"{topic}: {error.str()}"
    if error.code() in _REFUSED_TIMES:
        text += "; is this machine's clock more than an hour ahead of the broker's?"
    return KafkaError(error.code(), text)


def undelivered(error: KafkaError, message: Message) -> str:
    """Return which message was not delivered, and why."""
    return f"{message.key()!r}: {of_topic(error, message.topic()).str()}"


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
