"""A saga as its business statements alone, in the same transactions, sent by asyncpg with nothing around them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg

from benchmarks.shop import BUYERS, PRICE, SKUS
from lab_support.database import utc_now

POOL_SIZE = 5
PAYLOAD = {"order_id": "", "customer_id": "", "total": "2.50", "items": [{"sku": "", "quantity": 1}]}


class BareSaga:
    """Does what all services do for an order on credit; it keeps no promise when it dies in between."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._pools: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        for name, url in self._urls.items():
            self._pools[name] = await asyncpg.create_pool(
                url.replace("+asyncpg", ""), min_size=POOL_SIZE, max_size=POOL_SIZE
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for pool in self._pools.values():
            await pool.close()

    async def order(self, number: int) -> None:
        order_id, saga_id = uuid4(), uuid4()
        sku, buyer = SKUS[number % len(SKUS)], BUYERS[number % len(BUYERS)]
        await self._take(order_id, saga_id, sku, buyer)
        await self._reserve_credit(order_id, buyer)
        await self._hear(order_id, saga_id, "CustomerCreditReserved")
        await self._reserve_stock(order_id, sku)
        await self._approve(order_id, saga_id)
        await self._send_letter(order_id, buyer)

    async def _take(self, order_id: UUID, saga_id: UUID, sku: str, buyer: str) -> None:
        now = utc_now()
        async with self._pools["orders"].acquire() as raw, raw.transaction():
            await raw.fetch("SELECT sku, name, unit_price FROM prices WHERE sku = ANY($1)", [sku])
            await raw.execute(
                "INSERT INTO orders (id, saga_id, customer_id, pay_by, coordination, status, total, deadline_at, "
                "created_at, updated_at) VALUES ($1, $2, $3, 'credit', 'choreography', 'PENDING', $4, $5, $6, $6)",
                order_id,
                saga_id,
                buyer,
                PRICE,
                now + timedelta(seconds=30),
                now,
            )
            await raw.execute(
                "INSERT INTO order_lines (order_id, sku, position, quantity, unit_price) VALUES ($1, $2, 1, 1, $3)",
                order_id,
                sku,
                PRICE,
            )
            await self._note(raw, order_id, saga_id, "OrderCreated")

    async def _reserve_credit(self, order_id: UUID, buyer: str) -> None:
        async with self._pools["customers"].acquire() as raw, raw.transaction():
            await raw.execute(
                "INSERT INTO credit_reservations (order_id, customer_id, amount, status) "
                "VALUES ($1, $2, $3, 'RESERVED') ON CONFLICT DO NOTHING",
                order_id,
                buyer,
                PRICE,
            )
            await raw.execute(
                "UPDATE customers SET credit = round(credit - $2, 2), updated_at = now() "
                "WHERE id = $1 AND credit >= $2 AND NOT blocked",
                buyer,
                PRICE,
            )

    async def _hear(self, order_id: UUID, saga_id: UUID, type_: str) -> None:
        async with self._pools["orders"].acquire() as raw, raw.transaction():
            await raw.fetchrow("SELECT * FROM orders WHERE id = $1", order_id)
            await self._note(raw, order_id, saga_id, type_)

    async def _reserve_stock(self, order_id: UUID, sku: str) -> None:
        async with self._pools["inventory"].acquire() as raw, raw.transaction():
            await raw.execute(
                "INSERT INTO reservations (order_id, pay_by, status) VALUES ($1, 'credit', 'RESERVED') "
                "ON CONFLICT DO NOTHING",
                order_id,
            )
            await raw.execute(
                "UPDATE stock SET available = available - 1, updated_at = now() "
                "WHERE sku = $1 AND available >= 1 AND NOT discontinued",
                sku,
            )
            await raw.execute(
                "INSERT INTO reservation_lines (order_id, sku, quantity) VALUES ($1, $2, 1)", order_id, sku
            )

    async def _approve(self, order_id: UUID, saga_id: UUID) -> None:
        async with self._pools["orders"].acquire() as raw, raw.transaction():
            await raw.execute(
                "UPDATE orders SET status = 'APPROVED', updated_at = $2 WHERE id = $1 AND status = 'PENDING'",
                order_id,
                utc_now(),
            )
            await raw.fetchrow("SELECT * FROM orders WHERE id = $1", order_id)
            await self._note(raw, order_id, saga_id, "StockReserved", "OrderApproved")

    async def _send_letter(self, order_id: UUID, buyer: str) -> None:
        async with self._pools["customers"].acquire() as raw, raw.transaction():
            await raw.execute(
                "UPDATE credit_reservations SET confirmed_at = $2, updated_at = now() "
                "WHERE order_id = $1 AND status = 'RESERVED'",
                order_id,
                utc_now(),
            )
            await raw.execute(
                "INSERT INTO letters (order_id, customer_id, kind, sent_at) VALUES ($1, $2, 'confirmation', $3) "
                "ON CONFLICT DO NOTHING",
                order_id,
                buyer,
                utc_now(),
            )

    async def _note(self, raw: Any, order_id: UUID, saga_id: UUID, *types: str) -> None:
        now, columns, values = utc_now(), [], []
        for type_ in types:
            row = (uuid4(), order_id, saga_id, "orders", type_, json.dumps(PAYLOAD), now, now)
            first = len(values) + 1
            columns.append(f"({', '.join(f'${first + place}' for place in range(len(row)))})")
            values += row
        await raw.execute(
            "INSERT INTO timeline (event_id, order_id, saga_id, service, type, payload, occurred_at, recorded_at) "  # noqa: S608
            f"VALUES {', '.join(columns)} ON CONFLICT DO NOTHING",
            *values,
        )
