"""What a worker knows of its table partitions, for metrics and health."""

from __future__ import annotations


class TablePartitions:
    """Which partitions of changelogs are not whole, and how the latest recovery went."""

    def __init__(self) -> None:
        self.broken: frozenset[tuple[str, int]] = frozenset()
        """Topic and partition of each changelog whose deleted records nobody has."""
        self.recovered_records = 0
        self.recovery_seconds = 0.0

    def found(self, topic: str, partition: int, *, whole: bool) -> None:
        """Note what a recovery has found."""
        place = frozenset({(topic, partition)})
        self.broken = self.broken - place if whole else self.broken | place

    def recovered(self, records: int, seconds: float) -> None:
        """Note that a recovery has ended, and from how many records of changelogs."""
        self.recovered_records = records
        self.recovery_seconds = seconds
