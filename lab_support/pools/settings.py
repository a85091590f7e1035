"""How many connections an engine may hold, and how long it may wait for anything.

Section:
    13.10, "The pool's anatomy"
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The size and habits of one engine's connection pool.

    Attributes:
        size: Connections kept open between uses.
        max_overflow: Further connections opened under load and closed when given back.
        timeout_s: Longest wait for a free connection, in seconds.
        recycle_s: Age in seconds after which a connection is replaced at its next use; None never does.
        pre_ping: Ask the server for a sign of life before a connection is used again.
        trace_checkouts: Keep the calls that led to each checkout, to find out who keeps a connection; it costs some
            microseconds each.
    """

    size: int = 5
    max_overflow: int = 10
    timeout_s: float = 30.0
    recycle_s: int | None = 1800
    pre_ping: bool = True
    trace_checkouts: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that SQLAlchemy would read as "no limit" or as nonsense.

        Raises:
            ValueError: A number is out of its range.
        """
        _at_least("PoolSettings.size", self.size, 1)
        _at_least("PoolSettings.max_overflow", self.max_overflow, 0)
        _above_zero("PoolSettings.timeout_s", self.timeout_s)
        if self.recycle_s is not None:
            _above_zero("PoolSettings.recycle_s", self.recycle_s)

    @property
    def limit(self) -> int:
        """The most connections that can be open at once."""
        return self.size + self.max_overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """The longest waits that a database may cost, each in seconds.

    Attributes:
        connect_s: Until a new connection stands, authentication included.
        statement_s: Until a statement is stopped by its server (SQLite: by its progress handler).
        lock_s: Until a statement that waits for somebody's lock gives up.
    """

    connect_s: float = 5.0
    statement_s: float = 30.0
    lock_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse zero and less, which most servers would read as "wait for ever".

        Raises:
            ValueError: A limit is not above zero.
        """
        for name in ("connect_s", "statement_s", "lock_s"):
            _above_zero(f"Timeouts.{name}", getattr(self, name))


def _at_least(name: str, value: int, lowest: int) -> None:
    if value < lowest:
        raise ValueError(f"{name} is {value}; give a number of {lowest} or more.")


def _above_zero(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} is {value}; give a number of seconds above 0.")
