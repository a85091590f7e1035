"""What a task has begun when it is told to stop: it may end, and not for ever."""

import asyncio

import pytest

from lab_support.database.cancellation import to_its_end


async def test_work_that_has_begun_ends_before_its_task_stops() -> None:
    """The task waits for its last statement, and then it is cancelled."""
    begun, go_on, told = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        begun.set()
        await go_on.wait()
        told.append("ended")

    task = asyncio.create_task(to_its_end(work()))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["ended"]


async def test_work_that_does_not_end_is_cancelled_in_time() -> None:
    """Nobody waits longer than the goodbye."""
    begun, told = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")

    task = asyncio.create_task(to_its_end(work(), goodbye_s=0.01))
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["cancelled"]


async def test_second_cancellation_does_not_leave_the_work_alone() -> None:
    """Who is impatient cancels again; nothing goes on in the background."""
    begun, told = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")

    task = asyncio.create_task(to_its_end(work(), goodbye_s=60))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["cancelled"]


async def test_results_and_errors_come_through() -> None:
    """Without a cancellation it is as if the work were awaited itself."""

    async def fail() -> None:
        raise ZeroDivisionError

    assert await to_its_end(asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ZeroDivisionError):
        await to_its_end(fail())
