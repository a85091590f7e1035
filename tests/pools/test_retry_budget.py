"""Retries: scattered, limited to a share of the requests, and never past the deadline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_support.pools.deadlines import deadline
from lab_support.pools.retry_budget import RetryBudget, full_jitter, retry_within


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Failing:
    """Fails so many times, then answers."""

    def __init__(self, times: int) -> None:
        self.left, self.calls = times, 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise ConnectionError(f"call {self.calls}")
        return "answer"


def always(_error: Exception) -> bool:
    return True


async def no_wait(_seconds: float) -> None:
    return None


@given(st.integers(1, 10_000), st.floats(0, 0.999999))
def test_wait_is_any_part_of_a_limit_that_doubles(attempt: int, chance: float) -> None:
    """However many attempts there were, it stays below the cap."""
    wait_s = full_jitter(attempt, base_s=0.1, cap_s=5.0, random=lambda: chance)

    assert 0 <= wait_s <= min(5.0, 0.1 * 2 ** min(attempt - 1, 20))
    assert wait_s == chance * min(5.0, 0.1 * 2.0 ** min(attempt - 1, 60))


def test_full_bucket_allows_a_burst_and_no_more() -> None:
    """A few failures are retried."""
    budget = RetryBudget(share=0, per_s=0, most=3)

    assert [budget.retry() for _ in range(5)] == [True, True, True, False, False]


def test_one_request_in_ten_may_be_retried() -> None:
    """When everything fails, the load grows by a tenth and not threefold."""
    budget = RetryBudget(share=0.1, per_s=0, most=10)
    retried = 0
    for _ in range(1000):
        budget.request()
        retried += sum(budget.retry() for _ in range(2))

    assert 100 <= retried <= 110


def test_few_requests_are_retried_by_the_clock() -> None:
    """A caller with one request a minute pays in too little to ever retry."""
    clock = Clock()
    budget = RetryBudget(share=0, per_s=0.5, most=1, clock=clock)
    budget.retry()
    clock.now = 1.9
    too_early = budget.retry()
    clock.now = 2.1

    assert not too_early
    assert budget.retry()


def test_bucket_never_overflows() -> None:
    """A quiet night saves nothing up."""
    clock = Clock()
    budget = RetryBudget(most=2, clock=clock)
    clock.now = 1e9
    for _ in range(1000):
        budget.request()

    assert budget.tokens == 2


def test_clock_that_goes_back_takes_nothing_away() -> None:
    """Not every clock is monotonic."""
    clock = Clock()
    budget = RetryBudget(most=2, clock=clock)
    clock.now = -100

    assert budget.tokens == 2


@pytest.mark.parametrize("wrong", [{"share": -1}, {"per_s": -1}, {"most": 0.5}, {"most": float("nan")}])
def test_budget_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    """With the number that is wrong."""
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        RetryBudget(**wrong)


async def test_failure_that_is_over_is_not_seen() -> None:
    """The caller gets the answer of the third call."""
    call = Failing(2)
    answer = await retry_within(RetryBudget(), call, worth_it=always, sleep=no_wait)

    assert (answer, call.calls) == ("answer", 3)


async def test_last_failure_is_passed_on() -> None:
    """As it was."""
    call = Failing(9)
    with pytest.raises(ConnectionError, match="call 3"):
        await retry_within(RetryBudget(), call, worth_it=always, sleep=no_wait)


async def test_failure_that_will_last_is_not_retried() -> None:
    """And costs no token."""
    budget, call = RetryBudget(share=0, per_s=0, most=5), Failing(1)
    with pytest.raises(ConnectionError):
        await retry_within(budget, call, worth_it=lambda _: False, sleep=no_wait)

    assert (call.calls, budget.tokens) == (1, 5)


async def test_empty_budget_passes_the_first_failure_on() -> None:
    """Nobody waits for it either."""
    budget, waits, call = RetryBudget(share=0, per_s=0, most=1), list[float](), Failing(9)
    budget.retry()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with pytest.raises(ConnectionError, match="call 1"):
        await retry_within(budget, call, worth_it=always, sleep=sleep)

    assert waits == []


async def test_wait_beyond_the_deadline_is_not_begun() -> None:
    """The failure is known now, and its caller would be gone by then."""
    call = Failing(1)

    async def refuses(seconds: float) -> None:
        raise AssertionError(f"waited {seconds} s")

    with pytest.raises(ConnectionError):
        async with deadline(20):
            await retry_within(
                RetryBudget(), call, worth_it=always, base_s=60, cap_s=60, sleep=refuses, random=lambda: 0.9
            )


async def test_no_attempt_is_no_call() -> None:
    """It is a mistake, not a way to switch calls off."""
    with pytest.raises(ValueError, match="attempts is 0"):
        await retry_within(RetryBudget(), Failing(0), worth_it=always, attempts=0)
