"""Tables full of orders that have ended, with everything that their sagas have left behind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.shop import Shop
from lab_support.messaging.embedded_tables import log, offsets
from lab_support.services.customers.entities import Customer
from lab_support.services.inventory.entities import Stock
from lab_support.services.orders.entities import Price
from lab_support.services.split import ALL

CHUNK = 500
GIVEN = {Customer.__table__, Stock.__table__, Price.__table__}


async def fill_tables(shop: Shop, orders: int) -> None:
    """Complete one order, and multiply what it left in the services' tables and in the bus, under other ids."""
    order_id = await shop.order(0)
    await shop.settle()
    for one in ALL:
        async with shop.engines[one.name].begin() as connection:
            for table in one.tables.sorted_tables:
                if table not in GIVEN:
                    await _multiply(connection, table, order_id, orders - 1)
    async with shop.bus.log._writer.begin() as connection:
        await _multiply_log(connection, orders - 1)


async def _multiply(connection: AsyncConnection, table: Table, order_id: UUID, times: int) -> None:
    rows = [dict(row) for row in (await connection.execute(select(table))).mappings()]
    numbered = table.autoincrement_column
    for row in rows:
        if numbered is not None:
            del row[numbered.name]
    copies = [
        {name: _other(value, order_id, number) for name, value in row.items()}
        for number in range(1, times + 1)
        for row in rows
    ]
    for first in range(0, len(copies), CHUNK):
        await connection.execute(insert(table), copies[first : first + CHUNK])


def _other(value: Any, order_id: UUID, number: int) -> Any:
    """Give what stands in an id's place in the n-th copy; everything else stays."""
    if isinstance(value, UUID):
        return UUID(int=value.int ^ (number << 64))
    return str(_other(order_id, order_id, number)) if value == str(order_id) else value


async def _multiply_log(connection: AsyncConnection, times: int) -> None:
    for row in (await connection.execute(select(log).order_by(log.c.position))).mappings().all():
        end = await connection.scalar(select(func.max(log.c.position)).where(log.c.topic == row["topic"]))
        copies = [{**row, "position": (end or 0) + number} for number in range(1, times + 1)]
        await connection.execute(insert(log), copies)
        passed = update(offsets).where(offsets.c.topic == row["topic"])
        await connection.execute(passed.values(position=(end or 0) + times))
