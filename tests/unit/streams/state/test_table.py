"""A change of a table that did not arrive is noticed before the event that it was made for is committed."""

from __future__ import annotations

import asyncio

import pytest

from streams.state.table import PendingChanges

pytestmark = pytest.mark.unit


def test_a_commit_waits_for_the_changes_made_so_far() -> None:
    async def scenario() -> list[str]:
        changes, order = PendingChanges(), []
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        changes.add(change)

        async def commit() -> None:
            await changes.arrived()
            order.append("committed")

        committing = asyncio.create_task(commit())
        await asyncio.sleep(0)
        order.append("arrived")
        change.set_result(None)
        await committing
        return order

    assert asyncio.run(scenario()) == ["arrived", "committed"]


def test_a_change_that_failed_is_raised_now_and_ever_after() -> None:
    async def scenario() -> None:
        changes = PendingChanges()
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        changes.add(change)
        change.set_exception(ValueError("too large"))
        for _ in range(2):
            with pytest.raises(ValueError, match="too large"):
                await changes.arrived()

    asyncio.run(scenario())
