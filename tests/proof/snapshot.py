"""What all databases of the shop hold at one moment, read from outside, in the words of the invariants."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from lab_support.services.payments.provider_ledger import ledger
from lab_support.services.split import NAMES
from tests.proof.world import World

Rows = Sequence[Row[Any]]
COMPENSATING = ("customers", "payments", "inventory")


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """All tables that an invariant asks about."""

    orders: Rows
    sagas: Rows
    reviews: Rows
    customers: Rows
    credit: Mapping[UUID, Row[Any]]
    letters: Counter[UUID]
    stock: Rows
    pieces: Mapping[UUID, Row[Any]]
    lines: Mapping[UUID, Mapping[str, int]]
    payments: Mapping[UUID, Row[Any]]
    ledger: Mapping[str, Row[Any]]
    tasks: Mapping[tuple[UUID, str], Row[Any]]
    outboxes: Mapping[str, Rows]
    inboxes: Mapping[str, Rows]

    def task_status(self, order_id: UUID, action: str) -> str | None:
        task = self.tasks.get((order_id, action))
        return None if task is None else task.status

    def in_review(self, order_id: UUID, action: str) -> bool:
        return self.task_status(order_id, action) == "REQUIRES_REVIEW"

    def left_to_a_person(self, order_id: UUID, action: str) -> bool:
        return self.task_status(order_id, action) in ("REQUIRES_REVIEW", "SETTLED")


async def snapshot(world: World) -> Snapshot:
    """Read everything."""
    orders, sagas, reviews = await world.rows("orders", "orders", "sagas", "reviews")
    customers, credit, letters = await world.rows("customers", "customers", "credit_reservations", "letters")
    stock, pieces, lines = await world.rows("inventory", "stock", "reservations", "reservation_lines")
    (payments,) = await world.rows("payments", "payments")
    of_order: dict[UUID, dict[str, int]] = defaultdict(dict)
    for line in lines:
        of_order[line.order_id][line.sku] = line.quantity
    tasks: dict[tuple[UUID, str], Row[Any]] = {}
    for service in COMPENSATING:
        (rows,) = await world.rows(service, "compensations")
        tasks |= {(UUID(one.subject), one.action): one for one in rows}
    boxes = {name: await world.rows(name, "outbox", "inbox") for name in NAMES}
    return Snapshot(
        orders=orders,
        sagas=sagas,
        reviews=reviews,
        customers=customers,
        credit={one.order_id: one for one in credit},
        letters=Counter(one.order_id for one in letters),
        stock=stock,
        pieces={one.order_id: one for one in pieces},
        lines=of_order,
        payments={one.order_id: one for one in payments},
        ledger=await _ledger(world),
        tasks=tasks,
        outboxes={name: both[0] for name, both in boxes.items()},
        inboxes={name: both[1] for name, both in boxes.items()},
    )


async def _ledger(world: World) -> Mapping[str, Row[Any]]:
    engine = world.provider._engine
    async with engine.connect() as connection:
        return {one.key: one for one in await connection.execute(select(ledger))}


def kept(row: Row[Any]) -> Decimal:
    """Return what the provider has charged under one key and not given back."""
    return (row.charged or Decimal()) - (row.refunded or Decimal())
