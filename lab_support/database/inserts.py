"""INSERTs that are compiled once; one of them leaves a row alone when it is there already, on every engine.

Section:
    13.5, "The inbox: repetitions do no harm"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Insert, Table, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert


async def insert_if_absent(session: AsyncSession, entity: type[Any], **columns: Any) -> bool:
    """Insert one row unless a unique key of it is taken, and tell whether it was inserted.

    Another transaction that inserts the same key is waited for: after its commit the row is there already.
    MariaDB overlooks other errors of the row too (INSERT IGNORE), so give values that fit their columns.

    Args:
        session: Its open transaction gets the row; the caller commits.
        entity: The mapped class.
        columns: Values by column.
    """
    return await insert_those_absent(session, entity, [columns]) == 1


async def insert_those_absent(
    session: AsyncSession, entity: type[Any], rows: Sequence[Mapping[str, Any]]
) -> int:
    """Insert those rows whose unique keys are free, with one statement, and tell how many there were.

    Args:
        session: Its open transaction gets the rows; the caller commits.
        entity: The mapped class.
        rows: Values by column, the same columns in each; at least one row.
    """
    table, dialect = entity.__table__, session.get_bind().dialect
    statement = ignoring_insert(table, dialect.name)
    if len(rows) == 1:
        result = await session.execute(statement, dict(rows[0]))
        return int(result.rowcount)  # type: ignore[attr-defined]
    if dialect.insert_executemany_returning:  # compiled once, however many rows; it returns those it inserted
        inserted = await session.execute(_returning_key(table, dialect.name), [dict(row) for row in rows])
        return len(inserted.all())
    result = await session.execute(statement.values(list(rows)))  # compiled each time anew
    return int(result.rowcount)  # type: ignore[attr-defined]


async def insert_rows(session: AsyncSession, entity: type[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows in their order, with one statement that is made and compiled once, however many rows.

    Args:
        session: Its open transaction gets the rows; the caller commits.
        entity: The mapped class.
        rows: Values by column, the same columns in each; at least one row.
    """
    await session.execute(_plain_insert(entity.__table__), [dict(row) for row in rows])


@cache
def _plain_insert(table: Table) -> Insert:
    return insert(table)


@cache
def ignoring_insert(table: Table, dialect: str) -> Insert:
    """Make the INSERT that leaves a row alone when it is there already; it is made once."""
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return insert(table).prefix_with("IGNORE")


@cache
def _returning_key(table: Table, dialect: str) -> ReturningInsert[Any]:
    return ignoring_insert(table, dialect).returning(*table.primary_key)
