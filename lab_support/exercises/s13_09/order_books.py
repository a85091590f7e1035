"""Orders that the judge of 13.9.3 makes up: their events, and the summaries that these must end in.

Section:
    13.9.3
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import event as listened
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.exercises.s13_09.summaries import EVENTS, LineAdded, OrderSummary, StatusChanged
from lab_support.exercises.story import Story
from lab_support.messaging import encode

Row = tuple[int, Decimal, str]
STATUSES = ("PAID", "PACKED", "SHIPPED", "DELIVERED")


class OrderBooks:
    """A few orders, and all that has happened to them, in order.

    Attributes:
        events: As JSON, in the order in which they happened.
        truth: Units, total and status of each order, by its id.
    """

    def __init__(self, draw: Random, orders: int = 2) -> None:
        self.events: list[dict[str, Any]] = []
        self.truth: dict[str, Row] = {}
        for _ in range(orders):
            order_id = str(UUID(int=draw.getrandbits(128), version=4))
            self.truth[order_id] = (0, Decimal(0), "NEW")
            statuses = STATUSES[: draw.randint(2, len(STATUSES))]
            changes = [StatusChanged(status=one, number=number) for number, one in enumerate(statuses, 1)]
            for payload in (_line(draw), _line(draw), *changes):
                self.happens(draw, order_id, payload)

    def happens(self, draw: Random, order_id: str, payload: BaseModel | None = None) -> dict[str, Any]:
        """Have something happen to an order, a further line if nothing is given; return the event."""
        payload = payload or _line(draw)
        made = EVENTS.event(
            payload,
            aggregate_type="order",
            aggregate_id=order_id,
            event_id=UUID(int=draw.getrandbits(128), version=4),
        )
        units, total, status = self.truth[order_id]
        if isinstance(payload, LineAdded):
            self.truth[order_id] = (units + payload.units, total + payload.amount, status)
        elif isinstance(payload, StatusChanged):
            self.truth[order_id] = (units, total, payload.status)
        self.events.append(dict(json.loads(encode(made))))
        return self.events[-1]


def _line(draw: Random) -> LineAdded:
    return LineAdded(units=draw.randint(1, 9), amount=Decimal(draw.randint(501, 99_999)) / 100)


async def summaries(story: Story) -> dict[str, Row]:
    """Read the summaries by the judge's own connection."""
    columns = (OrderSummary.order_id, OrderSummary.units, OrderSummary.total, OrderSummary.status)
    rows = await story.rows(select(*columns))
    return {row["order_id"]: (row["units"], row["total"], row["status"]) for row in rows}


def wrong_rows(truth: dict[str, Row], found: dict[str, Row]) -> str:
    """Say which summaries are wrong, and how; empty if all are right."""
    told = []
    for order_id in {**truth, **found}:
        wanted, seen = truth.get(order_id), found.get(order_id)
        if wanted != seen:
            told.append(f"{order_id[:8]} {_shown(seen)} instead of {_shown(wanted)}")
    return "; ".join(told)


def _shown(row: Row | None) -> str:
    return f"has {row[0]} units, {row[1]:.2f}, {row[2]}" if row else "has no row"


class Reader:
    """Somebody who looks at the summaries all the time; `fewest` is the smallest number of orders it saw."""

    def __init__(self, orders: set[str]) -> None:
        self._orders, self.fewest = orders, len(orders)
        self._connection: sqlite3.Connection | None = None

    def look(self) -> None:
        """Count the orders that are to be seen now, by a connection of its own."""
        if self._connection is not None:
            rows = self._connection.execute("SELECT order_id FROM order_summaries").fetchall()
            self.fewest = min(self.fewest, len(self._orders & {row[0] for row in rows}))

    @contextmanager
    def beside(self, engine: AsyncEngine) -> Iterator[None]:
        """Look before each statement of an engine on SQLite; on others it sees nothing."""
        if engine.dialect.name != "sqlite":
            yield
            return
        path = Path(str(engine.url.database)).absolute()
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)

        def before(*_: object) -> None:
            self.look()

        listened.listen(engine.sync_engine, "before_cursor_execute", before)
        try:
            yield
            self.look()
        finally:
            listened.remove(engine.sync_engine, "before_cursor_execute", before)
            self._connection.close()
