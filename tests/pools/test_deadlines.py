"""One deadline for everything a request does: nested, inherited, handed on, and kept."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_support.pools import deadlines
from lab_support.pools.deadlines import (
    DEADLINE_HEADER,
    DeadlineExceededError,
    deadline,
    deadline_headers,
    remaining,
    within_deadline,
    without_deadline,
)


class Clock:
    """The time that the deadlines see; the loop's own timers go on as always."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


def test_without_a_deadline_time_is_infinite() -> None:
    """So `min(limit, remaining())` needs no case of its own."""
    assert remaining() == math.inf
    assert within_deadline(5.0) == 5.0
    assert deadline_headers() == {}


async def test_remaining_time_shrinks_as_the_clock_goes_on(clock: Clock) -> None:
    """It is counted from one moment, not per call."""
    async with deadline(10):
        clock.now += 4
        left = remaining()
        clock.now += 7
        over = remaining()

    assert (left, over) == (6, 0)


async def test_inner_deadline_can_only_shorten(clock: Clock) -> None:
    """Nobody gives himself more time than his caller has."""
    async with deadline(10):
        async with deadline(60):
            longer = remaining()
        async with deadline(3):
            shorter = remaining()
        after = remaining()

    assert (longer, shorter, after) == (10, 3, 10)
    assert remaining() == math.inf


async def test_limit_is_shortened_and_never_zero(clock: Clock) -> None:
    """Zero would mean "no limit" to most servers; an error says that there is nothing to begin."""
    async with deadline(2):
        assert (within_deadline(1), within_deadline(30)) == (1, 2)
        clock.now += 2
        with pytest.raises(DeadlineExceededError):
            within_deadline(30)


@pytest.mark.parametrize("limit", [0, -1, math.nan])
def test_limit_that_means_for_ever_is_not_shortened(limit: float) -> None:
    """Whoever passes 0 has made a mistake."""
    with pytest.raises(ValueError, match="seconds above 0"):
        within_deadline(limit)


async def test_what_is_left_goes_into_the_next_call(clock: Clock) -> None:
    """In whole milliseconds, rounded down; with less than one there is no call."""
    async with deadline(1.5009):
        assert deadline_headers() == {DEADLINE_HEADER: "1500"}
        clock.now += 1.5005
        with pytest.raises(DeadlineExceededError):
            deadline_headers()


async def test_tasks_inherit_the_deadline(clock: Clock) -> None:
    """Calls made side by side share it."""

    async def left() -> float:
        return remaining()

    async with deadline(7):
        side_by_side = await asyncio.gather(left(), left())
        with without_deadline():
            outliving = asyncio.create_task(left())
        inside = remaining()

    assert side_by_side == [7, 7]
    assert await outliving == math.inf
    assert inside == 7


async def test_what_the_block_awaits_is_cut_off() -> None:
    """The error is a TimeoutError, so whoever knows that one knows this one."""
    with pytest.raises(TimeoutError) as caught:
        async with deadline(0.01):
            await asyncio.Event().wait()

    assert isinstance(caught.value, DeadlineExceededError)
    assert remaining() == math.inf


async def test_outer_deadline_ends_the_outer_block() -> None:
    """A handler inside that catches its own time-out must not swallow its caller's."""
    swallowed = []

    async def work() -> None:
        try:
            async with deadline(60):
                await asyncio.Event().wait()
        except TimeoutError as error:
            swallowed.append(error)

    with pytest.raises(DeadlineExceededError):
        async with deadline(0.01):
            await work()

    assert swallowed == []


async def test_deadline_that_has_passed_begins_nothing() -> None:
    """Not even the first step of the block."""
    begun = []
    with pytest.raises(DeadlineExceededError):
        async with deadline(0):
            begun.append("work")

    assert begun == []


async def test_time_out_of_somebody_else_keeps_its_class() -> None:
    """Only the deadline's own end is called so."""
    with pytest.raises(TimeoutError) as caught:
        async with deadline(60):
            raise TimeoutError("the pool's")

    assert not isinstance(caught.value, DeadlineExceededError)


async def test_cancellation_passes_through() -> None:
    """A task that is stopped while a deadline runs is cancelled, not timed out."""
    entered = asyncio.Event()

    async def work() -> None:
        async with deadline(60):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_deadline_that_is_no_number_is_refused() -> None:
    """It would compare as neither over nor not over."""
    with pytest.raises(ValueError, match="nan"):
        async with deadline(math.nan):
            pass


async def test_infinite_deadline_is_none() -> None:
    """For whoever computes it."""
    async with deadline(math.inf):
        assert remaining() == math.inf


@given(st.lists(st.floats(60, 600), min_size=1, max_size=6))
def test_shortest_of_all_nested_deadlines_counts(nested: list[float]) -> None:
    """In whatever order they are set."""

    async def enter(rest: list[float]) -> float:
        if not rest:
            return remaining()
        async with deadline(rest[0]):
            return await enter(rest[1:])

    assert asyncio.run(enter(nested)) == pytest.approx(min(nested), abs=5)
