"""The timeline: each event of an order's saga, kept in the transaction that announces or hears it.

Section:
    13.6, "Why is this order still pending?"
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from lab_support.database import UnitOfWork
from lab_support.messaging import Event
from lab_support.services.orders.entities import TimelineEntry
from lab_support.services.orders.repository import TimelineRepository

OWN: Final = "orders"
_TELLER: Final = MappingProxyType(
    {"order": OWN, "customer": "customers", "payment": "payments", "stock": "inventory"}
)
_LONGEST_NAME: Final = 50
_HEARD: Final = "heard for the timeline"


def keep_timeline(
    uow: UnitOfWork, now: datetime, *, order_id: UUID | None = None, heard: Event | None = None
) -> None:
    """Have the event that was heard, and all that this unit of work announces, written down at its commit.

    It may be called for several events of one unit of work; one statement writes them all.

    Args:
        uow: It need not have announced anything yet.
        now: When they are recorded.
        order_id: Which order the heard event is about.
        heard: What came in, if anything did.
    """
    known: list[dict[str, Any]] | None = uow.session.info.get(_HEARD)
    entries: list[dict[str, Any]] = uow.session.info.setdefault(_HEARD, [])
    if heard is not None and order_id is not None:
        teller = _TELLER.get(heard.aggregate_type, heard.aggregate_type[:_LONGEST_NAME])
        entries.append(_entry(heard, order_id, teller, now))

    async def write(uow: UnitOfWork) -> None:
        told = [_entry(event, UUID(event.aggregate_id), OWN, now) for event in uow.announced]
        if entries or told:
            await TimelineRepository(uow.session).add([*entries, *told])
        entries.clear()

    if known is None:
        uow.before_commit(write)


def in_causal_order(entries: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """Put each event behind its cause, and keep the sequence of recording wherever that says nothing.

    Messages overtake each other: an answer may be heard before the one that it answers.
    """
    waiting = list(entries)
    known = {entry.event_id for entry in waiting}
    told: dict[UUID, TimelineEntry] = {}
    while waiting:
        ready = [one for one in waiting if one.causation_id not in known or one.causation_id in told]
        first = (ready or waiting)[0]  # events that name each other as cause are forged; they still end
        waiting.remove(first)
        told[first.event_id] = first
    return list(told.values())


def _entry(event: Event, order_id: UUID, service: str, now: datetime) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "order_id": order_id,
        "saga_id": event.saga_id,
        "causation_id": event.causation_id,
        "service": service,
        "type": event.type,
        "payload": event.payload,
        "occurred_at": event.occurred_at,
        "recorded_at": now,
    }
