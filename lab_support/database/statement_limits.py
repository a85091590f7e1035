"""How a server is told the limit of the statements that follow: before the first that needs it, lifted before the next.

`statement_timeout` says which limit is wanted. Here it is compared with what is in force, and a `SET` is sent only when
the two differ:

- PostgreSQL: `SET LOCAL`, which ends with its transaction. A rollback to a savepoint may undo it, so it is sent anew.
- MariaDB and MySQL: a session variable, which would outlive the session; so it is set back before the connection
  returns to the pool. The same on PostgreSQL in AUTOCOMMIT, where nothing is local.
- SQLite: nothing is sent; `database.sqlite` asks for the limit and stops the statement itself.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

from lab_support.database.trace_events import kind_of
from lab_support.pools.deadlines import remaining, within_deadline
from lab_support.pools.settings import Timeouts

_IN_FORCE: Final = "statement_limit"
_DEADLINE_STEP_S: Final = 0.05
"""A deadline leaves less to each statement. Its limits are rounded up to such steps, so that few need a new SET."""


@dataclass(slots=True, eq=False)
class Limits:
    """The limits that somebody has asked for, in seconds; the shortest is in force.

    Attributes:
        seconds: One for each block; infinite where only the deadline counts.
    """

    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _InForce:
    """What a connection was told last: seconds, None for its engine's own limit, NaN when nobody knows."""

    seconds: float | None
    is_local: bool


_limits: WeakKeyDictionary[Connection, list[Limits]] = WeakKeyDictionary()
_limited: WeakSet[Dialect] = WeakSet()


def install_statement_limits(engine: Engine, timeouts: Timeouts) -> None:
    """Make `statement_timeout` work on an engine.

    Args:
        engine: On any of the four databases; SQLite's needs `database.sqlite.make_honest` too.
        timeouts: The limits that the engine's connections are opened with; `statement_s` is the longest there is.
    """
    _limited.add(engine.dialect)
    if engine.dialect.name == "sqlite":
        return
    limiter = _Limiter(timeouts.statement_s, is_postgresql=engine.dialect.name == "postgresql")
    event.listen(engine, "begin", limiter.on_begin)
    event.listen(engine, "rollback_savepoint", limiter.on_rollback_to_savepoint)
    event.listen(engine, "before_cursor_execute", limiter.before_statement)
    event.listen(engine, "reset", limiter.on_return_to_pool)


def limits_of(owner: Session | Connection) -> Limits:
    """Give the limits of a session, wherever it works, or of one connection."""
    if isinstance(owner, Session):
        found: Limits = owner.info.setdefault(_IN_FORCE, Limits())
        return found
    refuse_unlimited(owner)
    own = _limits.setdefault(owner, [Limits()])
    return own[0]


def refuse_unlimited(bind: Engine | Connection) -> None:
    """Refuse an engine that would ignore every limit.

    Raises:
        RuntimeError: `install_statement_limits` was not called for it.
    """
    if bind.dialect not in _limited:
        raise RuntimeError(
            f"statement_timeout would do nothing on this engine ({bind.dialect.name}). Build it with build_engine, or "
            "call install_statement_limits(engine.sync_engine, timeouts) once."
        )


@event.listens_for(Session, "after_begin")
def _session_works_on(session: Session, _transaction: Any, connection: Connection) -> None:
    limits = limits_of(session)
    if limits.seconds:
        refuse_unlimited(connection)
    known = _limits.setdefault(connection, [Limits()])
    if limits not in known:
        known.append(limits)


def wanted_limit(connection: Connection, own_s: float) -> float | None:
    """Return the limit of the statement that comes next, in seconds; None: the engine's own.

    Raises:
        DeadlineExceededError: The deadline has passed, so the statement need not be sent.
    """
    asked = [seconds for limits in _limits.get(connection, ()) for seconds in limits.seconds]
    if not asked:
        return None
    shortest = min(*asked, own_s)
    if within_deadline(shortest) == shortest:
        return shortest if shortest < own_s else None
    return min(shortest, math.ceil(remaining() / _DEADLINE_STEP_S + 1e-9) * _DEADLINE_STEP_S)


class _Limiter:
    """Keeps what the connections of one engine were told in step with what is wanted."""

    def __init__(self, own_s: float, *, is_postgresql: bool) -> None:
        self._own_s = own_s
        self._is_postgresql = is_postgresql

    def before_statement(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        in_force: _InForce | None = connection.info.get(_IN_FORCE)
        if (in_force is None and connection not in _limits) or kind_of(statement) != "SQL":
            return
        if statement.startswith(_OURS):
            return
        wanted = wanted_limit(connection, self._own_s)
        if wanted == (in_force.seconds if in_force else None):
            return
        is_local = self._is_postgresql and not _is_autocommit(connection)
        # Noted first: a SET that fails half-way may have been heard.
        connection.info[_IN_FORCE] = _InForce(math.nan, is_local)
        connection.exec_driver_sql(self._set(wanted, is_local=is_local))
        connection.info[_IN_FORCE] = _InForce(wanted, is_local)

    def on_begin(self, connection: Connection) -> None:
        in_force: _InForce | None = connection.info.get(_IN_FORCE)
        if in_force is not None and in_force.is_local:
            del connection.info[_IN_FORCE]  # it ended with the transaction before

    def on_rollback_to_savepoint(self, connection: Connection, *_: Any) -> None:
        if connection.invalidated:
            return  # it broke, and nothing is in force on what replaces it
        in_force: _InForce | None = connection.info.get(_IN_FORCE)
        if in_force is not None and in_force.is_local:
            connection.info[_IN_FORCE] = _InForce(
                math.nan, is_local=True
            )  # equal to nothing: it is sent anew

    def on_return_to_pool(
        self, connection: DBAPIConnection, record: ConnectionPoolEntry | None, state: PoolResetState
    ) -> None:
        in_force: _InForce | None = record.info.get(_IN_FORCE) if record is not None else None
        if record is None or in_force is None or state.terminate_only or not state.asyncio_safe:
            return  # nothing to lift, or the connection is about to be closed
        if not in_force.is_local and in_force.seconds is not None:
            connection.rollback()  # whatever is left open must not be kept by the commit
            cursor = connection.cursor()
            cursor.execute(self._set(None, is_local=False))
            cursor.close()
            connection.commit()
        del record.info[_IN_FORCE]

    def _set(self, seconds: float | None, *, is_local: bool) -> str:
        if self._is_postgresql:
            place = "LOCAL" if is_local else "SESSION"
            limit = "DEFAULT" if seconds is None else str(_milliseconds(seconds))
            return f"SET {place} statement_timeout TO {limit}"
        limit_s = self._own_s if seconds is None else max(seconds, 0.001)
        # Executable comments: MariaDB runs the first, MySQL the second (which limits SELECT only).
        return (
            f"SET SESSION /*M! max_statement_time = {limit_s:f} */"
            f" /*!80000 max_execution_time = {_milliseconds(limit_s)} */"
        )


_OURS = (
    "SET LOCAL statement_timeout",
    "SET SESSION statement_timeout",
    "SET SESSION /*M! max_statement_time",
)


def _is_autocommit(connection: Connection) -> bool:
    raw = connection.connection.dbapi_connection
    return raw is not None and connection.dialect.detect_autocommit_setting(raw)


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))  # 0 would mean: no limit
