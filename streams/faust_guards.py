"""What keeps known hazards of Faust 0.15.3 from doing harm; each has a test that fails without it."""

from __future__ import annotations

from typing import Any

from faust.transport.drivers.aiokafka import Consumer
from faust.types.tuples import ack_lock
from mode.utils.queues import FlowControlEvent


class GuardedFlowControl(FlowControlEvent):
    """Flow control that does not throw away events on a second ``resume``.

    Faust 0.15.3 resumes flow several times as it starts; each resume clears the queues, into which the fetcher has
    already put events after the first. Those are never acknowledged, and the committed offset stands still.
    """

    def resume(self) -> None:
        """Let events flow; clear what was queued before only if the flow was suspended."""
        was_suspended = self._suspend.is_set()
        self._suspend.clear()
        self._resume.set()
        if was_suspended:
            self.clear()


class GuardedConsumer(Consumer):
    """Commits the topics of batches as far as they were read, whatever Faust lost in between.

    An event that Faust drops in a rebalance is never acknowledged, and its partition is committed no further until
    a restart, which then reads hours of batches again. What was lost of these topics intake sends again anyhow and
    their agents work in order: all that was read before the last acknowledgement is done. The topics that we learn
    from keep Faust's rule, for there an event that was lost must be read again.
    """

    async def _commit(self, offsets: Any) -> bool:
        """Commit once the changes of tables that the events made have arrived; a worker that lost one ends."""
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
