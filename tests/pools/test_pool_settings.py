"""Sizes and limits: what makes no sense is refused where it is written."""

import dataclasses

import pytest

from lab_support.pools import PoolSettings, Timeouts


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 0}, "PoolSettings.size is 0; give a number of 1 or more"),
        ({"max_overflow": -1}, "PoolSettings.max_overflow is -1; give a number of 0 or more"),
        ({"timeout_s": 0}, "PoolSettings.timeout_s is 0; give a number of seconds above 0"),
        ({"recycle_s": -1}, "PoolSettings.recycle_s is -1"),
        ({"timeout_s": float("nan")}, "PoolSettings.timeout_s is nan"),
    ],
)
def test_pool_that_sqlalchemy_would_read_as_unlimited_is_refused(wrong: dict[str, float], said: str) -> None:
    """SQLAlchemy takes 0 and -1 for "no limit"; nobody who writes them means that."""
    with pytest.raises(ValueError, match=said):
        PoolSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["connect_s", "statement_s", "lock_s"])
def test_limit_that_a_server_would_read_as_for_ever_is_refused(name: str) -> None:
    """Zero switches a server's limit off."""
    with pytest.raises(ValueError, match=f"Timeouts.{name} is 0"):
        Timeouts(**{name: 0})


def test_limit_of_a_pool_is_size_and_overflow() -> None:
    """The number to multiply by the workers and compare with the server's maximum."""
    assert PoolSettings(size=5, max_overflow=10).limit == 15
    assert PoolSettings(size=3, max_overflow=0, recycle_s=None).limit == 3


def test_settings_cannot_change_under_an_engine() -> None:
    """An engine reads them once."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        PoolSettings().size = 7  # type: ignore[misc]
