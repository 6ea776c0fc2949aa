"""Wait until a broker answers, and find free ports."""

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
    """Return true once the broker answers; false if the time is over or ``alive`` returns false first."""
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
    """Return a port of the loopback interface that is free now.

    It is below the ports that operating systems give to outgoing connections, which might take it before a broker
    does.
    """
    while True:
        port = random.randrange(15_000, 30_000)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Return whether a loopback port is free; raises :class:`OSError` for other errors of bind."""
    with closing(socket.socket()) as probe:
        # Otherwise connections left by a listener that has just ended would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True
