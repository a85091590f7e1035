"""Events as the judge makes and delivers them, and what the tables of payments show afterwards.

Section:
    13.6
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import WRITES, fault
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.s13_06.events import EVENTS
from lab_support.exercises.s13_06.shop import OutboxMessage, Payment, Refund
from lab_support.exercises.story import Story
from lab_support.messaging import Event, encode

Handler = Callable[..., Awaitable[Any]]
MOST_STATEMENTS = 12


def new_id(draw: Random) -> str:
    """Draw a UUID nobody can foresee."""
    return str(UUID(int=draw.getrandbits(128), version=4))


def money(draw: Random) -> Decimal:
    """Draw an amount with cents, from 5.01 to 99.99."""
    return Decimal(draw.randint(501, 9_999)) / 100


def event_about(
    draw: Random, order_id: str, payload: BaseModel, saga_id: str | None = None
) -> dict[str, Any]:
    """Make an event of an order's saga, as JSON."""
    made = EVENTS.event(
        payload,
        aggregate_type="order",
        aggregate_id=order_id,
        saga_id=UUID(saga_id or new_id(draw)),
        event_id=UUID(new_id(draw)),
        causation_id=UUID(new_id(draw)),
    )
    return dict(json.loads(encode(made)))


def writers(attempt: Attempt) -> async_sessionmaker[AsyncSession]:
    """Make the factory a student gets: on SQLite its transactions begin as writers, and queue."""
    return async_sessionmaker(attempt.engine, expire_on_commit=False, execution_options=dict(WRITES))


async def deliver(
    attempt: Attempt, handler: Handler, event: dict[str, Any], dies_after: int = 0
) -> dict[str, Any]:
    """Hand an event to a handler; with `dies_after`, the process dies after so many statements."""
    received = Event.model_validate(event)
    if not dies_after:
        await handler(writers(attempt), received)
        return {"died": False}
    with fault(attempt.engine, after_statement=dies_after, how="die") as injected:
        await handler(writers(attempt), received)
    return {"died": injected.reached}


async def deliver_at_once(
    attempt: Attempt, handler: Handler, event: dict[str, Any], copies: int
) -> dict[str, Any]:
    """Hand copies of one event to a handler at once; who is refused gets its copy again."""
    sessions, received = writers(attempt), Event.model_validate(event)
    ends = await asyncio.gather(*(handler(sessions, received) for _ in range(copies)), return_exceptions=True)
    refused = [type(one).__name__ for one in ends if isinstance(one, BaseException)]
    for _ in refused:
        await handler(sessions, received)
    return {"refused": refused}


async def refunds_of(story: Story, order_id: str) -> list[Decimal]:
    """Read what went back for an order."""
    query = select(Refund.amount).join(Payment, Payment.id == Refund.payment_id)
    rows = await story.rows(query.where(Payment.order_id == order_id).order_by(Refund.id))
    return [row["amount"] for row in rows]


async def announced(story: Story, order_id: str, event_type: str) -> list[dict[str, Any]]:
    """Read the events of one type that wait in the outbox for an order: payload and headers."""
    query = select(OutboxMessage.payload, OutboxMessage.headers).order_by(OutboxMessage.seq)
    mine = (OutboxMessage.aggregateid == order_id, OutboxMessage.type == event_type)
    return await story.rows(query.where(*mine))


def amount_in(payload: Any) -> Decimal | None:
    """Read the amount that a payload tells; None if it tells none."""
    try:
        return Decimal(str(payload["amount"]))
    except (LookupError, TypeError, ArithmeticError):
        return None


def is_event(kept: Any, event: dict[str, Any]) -> bool:
    """Whether what was kept, as JSON or as its text, can be read as the very event."""
    try:
        read = Event.model_validate_json(kept) if isinstance(kept, str) else Event.model_validate(kept)
    except ValueError:
        return False
    return read == Event.model_validate(event)


async def count(story: Story, table: Any) -> int:
    """Count a table's rows."""
    rows = await story.rows(select(func.count().label("rows")).select_from(table))
    return int(rows[0]["rows"])


def shown(amounts: Sequence[Decimal | None]) -> str:
    """Show amounts, or say that there are none."""
    return ", ".join("no amount" if one is None else f"{one:.2f}" for one in amounts) or "none"
