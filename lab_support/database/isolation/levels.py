"""The isolation levels of each engine, as a transaction asks for them.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from lab_support.database.sqlite import WRITES

_READ_UNCOMMITTED = "READ UNCOMMITTED"
_OTHERS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
SNAPSHOT_ISOLATION = "REPEATABLE READ, snapshot isolation"
IMMEDIATE = "SERIALIZABLE, IMMEDIATE"
_SNAPSHOT_ON = "SET SESSION innodb_snapshot_isolation = ON"
_SNAPSHOT_OFF = "SET SESSION innodb_snapshot_isolation = OFF"


@dataclass(frozen=True, slots=True)
class Level:
    """One column of the matrix.

    Attributes:
        name: As it is shown.
        options: Execution options of the connection.
        before: Settings of the session, sent before its transaction begins.
        first: Statements that the transaction begins with.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    before: tuple[str, ...] = ()
    first: tuple[str, ...] = ()


async def levels_of(connection: AsyncConnection) -> tuple[Level, ...]:
    """List the levels of a server, weakest first; a MariaDB that knows snapshot isolation has one more."""
    backend = connection.dialect.name
    if backend == "sqlite":
        return (Level("SERIALIZABLE"), Level(IMMEDIATE, WRITES))
    usual = tuple(Level(name, {"isolation_level": name}) for name in _OTHERS)
    if backend == "postgresql":  # the driver has no word for it
        return (
            Level(_READ_UNCOMMITTED, first=(f"SET TRANSACTION ISOLATION LEVEL {_READ_UNCOMMITTED}",)),
            *usual,
        )
    return await _levels_of_mariadb(connection, usual)


async def _levels_of_mariadb(connection: AsyncConnection, usual: tuple[Level, ...]) -> tuple[Level, ...]:
    levels = [Level(_READ_UNCOMMITTED, {"isolation_level": _READ_UNCOMMITTED}), *usual]
    if (await connection.execute(text("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'"))).first() is None:
        return tuple(levels)
    switched = [replace(level, before=(_SNAPSHOT_OFF,)) for level in levels]
    repeatable = switched[2]
    return (
        *switched[:3],
        replace(repeatable, name=SNAPSHOT_ISOLATION, before=(_SNAPSHOT_ON,)),
        *switched[3:],
    )
