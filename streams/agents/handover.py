"""Hand candidates from recall to ranking without Kafka, if one process does both.

Through Kafka, candidates (hundreds of bytes each) cost a round trip and a seventh of the CPU time. They need not
outlive the process: intake sends a batch that is not completed to recall again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streams.agents.ranking import RankingStage

_ASK_AGAIN_SECONDS: Final = 0.1
_log = logging.getLogger(__name__)


class Handover:
    """Gives batches of candidates to the ranking stage of this process, in the order of their partition's log.

    A worker that does only recall may have owned the partition before. What it sent through Kafka must be decided
    first; otherwise an older decision would be the last one. ``undecided`` returns how many messages of a
    partition of the candidates topic ranking has yet to decide; it blocks. ``take`` is the ranking stage's method.
    """

    def __init__(self, ranking: RankingStage, undecided: Callable[[int], int]) -> None:
        self.take: Final = ranking.take
        self._undecided = undecided
        self._ready: set[int] = set()

    async def ready(self, partition: int) -> None:
        """Return when batches of a partition may be handed over."""
        # Keep the current set: what is found out after :meth:`forget` is no longer valid.
        ready = self._ready
        if partition in ready:
            return
        loop = asyncio.get_running_loop()
        while waiting := await loop.run_in_executor(None, self._undecided, partition):
            _log.info(
                "partition %d: %d batches of candidates lie on their topic, and come first", partition, waiting
            )
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        ready.add(partition)

    def forget(self) -> None:
        """Forget which partitions are ready, because other workers may own them now."""
        self._ready = set()
