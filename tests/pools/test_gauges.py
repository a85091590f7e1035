"""What the meter makes of what it is told, without a pool."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_support.pools.gauges import WAIT_BOUNDS_S, PoolGauges, PoolMeter, WaitTimes


def read(meter: PoolMeter) -> PoolGauges:
    return meter.read(size=5, max_overflow=10, idle=0, overflow=0)


def waits(*seconds: float) -> WaitTimes:
    meter = PoolMeter()
    for each in seconds:
        meter.waited(each)
    return read(meter).waits


def test_nobody_waited_at_first() -> None:
    """Zero of everything, and a percentile of nothing is 0."""
    none = waits()

    assert (none.count, none.total_s, none.longest_s, none.at_most(0.95)) == (0, 0, 0, 0)


def test_wait_at_a_bound_belongs_below_it() -> None:
    """As Prometheus's `le` has it."""
    assert waits(0.001, 0.0011).counts[:2] == (1, 1)


def test_wait_beyond_all_bounds_is_kept_as_the_longest() -> None:
    """The last bucket has no bound but what was seen."""
    found = waits(0.002, 45.0)

    assert found.counts[-1] == 1
    assert (found.longest_s, found.at_most(1.0), found.at_most(0.5)) == (45.0, 45.0, 0.005)


@pytest.mark.parametrize("share", [0, -0.5, 1.01, float("nan")])
def test_share_that_is_none_is_refused(share: float) -> None:
    """A percentage, for one."""
    with pytest.raises(ValueError, match="above 0, up to 1"):
        waits(1.0).at_most(share)


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_so_large_a_share_waited_no_longer(seconds: list[float], share: float) -> None:
    """The bound is never too low, and never beyond the longest."""
    found = waits(*seconds)
    bound = found.at_most(share)

    assert sum(each <= bound for each in seconds) >= share * len(seconds) - 1e-9
    assert bound <= max(seconds)
    assert found.count == len(seconds)


def test_bounds_rise() -> None:
    """Else the search for a bucket finds nonsense."""
    assert list(WAIT_BOUNDS_S) == sorted(set(WAIT_BOUNDS_S))
