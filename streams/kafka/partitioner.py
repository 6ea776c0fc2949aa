"""Compute the partition of a key, like the Java clients and our own producers."""

from __future__ import annotations

from typing import Final

from aiokafka.partitioner import murmur2

_WITHOUT_SIGN: Final = 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key by Kafka's default partitioner, which librdkafka calls ``murmur2_random``."""
    return int(murmur2(key) & _WITHOUT_SIGN) % partitions
