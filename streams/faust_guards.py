"""Guards against known defects of Faust 0.15.3; each has a test that fails without it."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import InconsistentGroupProtocolError
from faust.transport.drivers.aiokafka import Consumer
from faust.types.tuples import ack_lock
from mode.utils.queues import FlowControlEvent

from schemas.errors import ShelfwiseError


class GuardedFlowControl(FlowControlEvent):
    """Flow control that does not discard events on a second ``resume``.

    Faust 0.15.3 resumes flow several times as it starts, and each resume clears the queues. After the first one,
    the fetcher has already put events there. The cleared events are never acknowledged, and the committed offset
    stops moving.
    """

    def resume(self) -> None:
        """Let events flow; clear the queues only if the flow was suspended."""
        was_suspended = self._suspend.is_set()
        self._suspend.clear()
        self._resume.set()
        if was_suspended:
            self.clear()


class GuardedConsumer(Consumer):
    """Commits the topics of batches as far as they were read, whatever Faust dropped in between.

    An event that Faust drops in a rebalance is never acknowledged. Its partition is then committed no further
    until a restart, which reads hours of batches again. For these topics, committing is safe: intake sends lost
    batches again anyway, and the agents work in order, so everything read before the last acknowledgement is done.
    The topics of learning keep Faust's rule, because an event lost there must be read again.
    """

    async def perform_seek(self) -> None:
        """Seek to what is committed, and note that as the offset to be read next; Faust notes it as read."""
        await super().perform_seek()
        for place in self.assignment():
            following = self._read_offset.get(place)
            if following is not None and following > 1:  # Faust takes offset 0 for none
                self._read_offset[place] = following - 1

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Pass on that the consumer did not bring these offsets, up to but not including ``offset_to``."""
        if (lost := self.app.lost.get(tp.topic)) is not None:
            lost.skipped(tp.partition, offset_from, offset_to)
        await super()._add_gap(tp, offset_from, offset_to)

    async def _commit(self, offsets: Any) -> bool:
        """Commit when the table changes that the events caused have arrived; if one did not, end the worker."""
        try:
            await self.app.table_changes.arrived()
        except Exception as error:
            self.log.error("a change of a table did not arrive: %r", error)
            await self.crash(error)
            return False
        return bool(await super()._commit(offsets))

    def _new_offset(self, tp: Any) -> int | None:
        if tp.topic not in self.app.batch_topics:
            return super()._new_offset(tp)
        with ack_lock:
            acknowledged = self._acked[tp]
            if not acknowledged:
                return None
            last = max(acknowledged)
            acknowledged.clear()
            self._acked_index[tp].clear()
            self._gap.pop(tp, None)
            return int(last) + 1

    @property
    def refusal(self) -> ShelfwiseError | None:
        """Why the group will never take this consumer, or ``None``.

        The client keeps the error until someone asks for it, and stands still. Faust 0.15.3 never asks.
        """
        coordinator = getattr(self._thread._consumer, "_coordinator", None)
        if not isinstance(getattr(coordinator, "_pending_exception", None), InconsistentGroupProtocolError):
            return None
        return ShelfwiseError(
            f"group {self.app.conf.id} has members of another kind: workers of another version of Shelfwise, or"
            " another consumer under this group's name. Stop them, then start this worker again"
        )
