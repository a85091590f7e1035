"""What is done to the table: each change small, and right for the two versions of the code that meet in it.

Section:
    13.9, "Expand and contract"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Connection, MetaData, String, Table, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import retry_transaction
from lab_support.services.customers.entities import Customer, CustomersBase
from lab_support.services.rehearsal.versions import NEW, OLD

Change = Callable[[Operations], None]
BATCH: Final = 50
_ATTEMPTS: Final = 20


def expanded() -> Table:
    """Describe the table with both columns; Alembic copies it from here where an engine can't change a column."""
    metadata = MetaData(naming_convention=CustomersBase.metadata.naming_convention)
    both = CustomersBase.metadata.tables[Customer.__tablename__].to_metadata(metadata)
    both.append_column(Column(NEW, String(100)))
    return both


async def change_table(engine: AsyncEngine, change: Change) -> None:
    """Change the table in one transaction under traffic.

    A change waits for the transactions that use the table, and all others wait behind it. So it gives up soon (by the
    engine's lock timeout) and tries again.

    Raises:
        RetriesExhaustedError: Somebody was in the way each time.
    """

    def on(connection: Connection) -> None:
        change(Operations(MigrationContext.configure(connection)))

    async def once() -> None:
        async with engine.begin() as connection:
            await connection.run_sync(on)

    await retry_transaction(once, attempts=_ATTEMPTS)


def expand(op: Operations) -> None:
    """Add the new column, empty: no code that is there has to know of it."""
    op.add_column(Customer.__tablename__, Column(NEW, String(100)))


def relax(op: Operations) -> None:
    """Let the old column be empty, so that the code of tomorrow need not fill it."""
    with op.batch_alter_table(Customer.__tablename__, copy_from=expanded()) as batch:
        batch.alter_column(OLD, existing_type=String(100), nullable=True)


def contract(op: Operations) -> None:
    """Drop the old column, which nobody writes or reads any more, and have the new one always filled."""
    with op.batch_alter_table(Customer.__tablename__, copy_from=expanded()) as batch:
        batch.drop_column(OLD)
        batch.alter_column(NEW, existing_type=String(100), nullable=False)


def rename(op: Operations) -> None:
    """Do it all at once, which is one statement."""
    op.alter_column(Customer.__tablename__, OLD, new_column_name=NEW, existing_type=String(100))


async def backfill(engine: AsyncEngine, *, batch: int = BATCH) -> int:
    """Copy the name to the new column wherever the two differ, in batches of one short transaction each.

    Each row is written from its own old column within one statement, so a write that comes between is not undone.
    It may be stopped and begun again.

    Args:
        engine: One whose transactions may write.
        batch: Rows looked at in one transaction.

    Returns:
        How many rows were changed.
    """
    both = expanded()
    old, new, key = both.c[OLD], both.c[NEW], both.c.id
    changed, after = 0, ""
    while True:
        async with engine.begin() as connection:
            page = select(key).where(key > after).order_by(key).limit(batch).subquery()
            last = await connection.scalar(select(func.max(page.c.id)))
            if last is None:
                return changed
            differs = or_(new.is_(None), new != old)
            stale = update(both).where(key > after, key <= last, old.is_not(None), differs)
            changed += (
                await connection.execute(stale.values({NEW: old, "updated_at": both.c.updated_at}))
            ).rowcount
            after = last


async def differing(engine: AsyncEngine) -> int:
    """Count the rows whose two columns don't agree; before reads are switched it must be 0."""
    both = expanded()
    wrong = or_(both.c[NEW].is_(None), both.c[NEW] != both.c[OLD])
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(both).where(wrong)) or 0
