"""What a worker knows about its table partitions, for metrics and health."""

from __future__ import annotations


class TablePartitions:
    """Which changelog partitions are incomplete, and how the last recovery went."""

    def __init__(self) -> None:
        self.broken: frozenset[tuple[str, int]] = frozenset()
        """Topic and partition of each changelog with deleted records that this worker could not restore."""
        self.recovered_records = 0
        self.recovery_seconds = 0.0

    def found(self, topic: str, partition: int, *, whole: bool) -> None:
        """Note whether a recovery found a partition complete."""
        place = frozenset({(topic, partition)})
        self.broken = self.broken - place if whole else self.broken | place

    def recovered(self, records: int, seconds: float) -> None:
        """Note that a recovery has ended, the number of changelog records that it read, and its duration."""
        self.recovered_records = records
        self.recovery_seconds = seconds
