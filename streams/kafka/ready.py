"""Wait until a broker answers."""

from __future__ import annotations

import errno
import random
import socket
import time
from collections.abc import Callable
from contextlib import closing

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka.connection import KafkaConnection


def wait_until_ready(bootstrap_servers: str, seconds: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """Return whether the broker answers before the time is over, or ``alive`` says that it died."""
    admin = AdminClient(
        KafkaConnection(bootstrap_servers=bootstrap_servers).client_config(
            {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
        )
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and alive():
        try:
            if admin.list_topics(timeout=0.25).brokers:
                return True
        except KafkaException:
            continue
    return False


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses now.

    It lies below the ports that systems give to outgoing connections, which could take it before a broker does.
    """
    while True:
        port = random.randrange(15_000, 30_000)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of the loopback interface; raises :class:`OSError` as bind does."""
    with closing(socket.socket()) as probe:
        # Else connections of a listener that has just ended would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True
