from __future__ import annotations

import pytest

from streams.kafka.partitioner import partition_of


@pytest.mark.parametrize(
    ("key", "murmur2"), [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)]
)
def test_keys_lie_where_the_java_client_puts_them(key: bytes, murmur2: int) -> None:
    """By the hashes that the tests of Kafka's own client name."""
    assert partition_of(key, 97) == (murmur2 & 0x7FFFFFFF) % 97
