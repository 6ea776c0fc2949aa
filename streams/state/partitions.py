"""What a worker knows of its table partitions, for metrics and health."""

from __future__ import annotations


class TablePartitions:
    """Which partitions of changelogs are not whole, and how the latest recovery went."""

    def __init__(self) -> None:
        self._broken: set[tuple[str, int]] = set()
        self.recovered_records = 0
        self.recovery_seconds = 0.0

    @property
    def broken(self) -> frozenset[tuple[str, int]]:
        """Topic and partition of each changelog whose deleted records nobody has."""
        return frozenset(self._broken)

    def found(self, topic: str, partition: int, *, whole: bool) -> None:
        """Note what a recovery has found."""
        (self._broken.discard if whole else self._broken.add)((topic, partition))

    def recovered(self, records: int, seconds: float) -> None:
        """Note that a recovery has ended, and from how many records of changelogs."""
        self.recovered_records = records
        self.recovery_seconds = seconds
