"""The policy of retries: waits that double up to a limit, scattered, for a number of attempts."""

from typing import Any

import pytest

from lab_support.sagas import RetryPolicy


def test_bound_of_the_wait_doubles_up_to_its_limit() -> None:
    """0.5, 1, 2, 4, then 5 seconds, however many failures there were."""
    policy = RetryPolicy(attempts=9, backoff_s=0.5, longest_s=5)

    assert [policy.wait_s(failures, lambda: 1.0) for failures in (1, 2, 3, 4, 5, 5000)] == [
        0.5,
        1.0,
        2.0,
        4.0,
        5.0,
        5.0,
    ]


def test_wait_is_any_part_of_its_bound() -> None:
    """Those who failed together do not come back together."""
    policy = RetryPolicy(backoff_s=8)

    assert [policy.wait_s(1, lambda part=part: part) for part in (0.0, 0.25, 0.75)] == [0.0, 2.0, 6.0]


def test_attempts_end_with_the_last_one() -> None:
    """Of three attempts, three failures are all."""
    policy = RetryPolicy(attempts=3)

    assert [policy.exhausted(failures) for failures in (0, 2, 3, 4)] == [False, False, True, True]


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"backoff_s": -1}, {"longest_s": float("nan")}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_policy_that_tries_nothing_is_refused(wrong: dict[str, Any]) -> None:
    """The error names what was given."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)
