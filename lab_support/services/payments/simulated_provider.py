"""A payment provider that keeps a ledger of its own, and fails as it was told or as its seed decides.

It stands for another company: its file is none of Payments' tables, and no transaction reaches across.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, Self

from sqlalchemy import URL, Row, delete, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from lab_support.database import WRITES, build_engine, create_tables
from lab_support.services.payments.provider import (
    CardDeclinedError,
    KeyClosedError,
    ProviderDownError,
    ProviderTimeoutError,
    Receipt,
    RefundRefusedError,
)
from lab_support.services.payments.provider_ledger import METADATA, ledger, scripts

EVERYBODY: Final = "*"
NOTHING: Final = Decimal("0.00")
Call = Literal["charge", "refund", "find"]


class Outcome(StrEnum):
    """What becomes of one call."""

    DO = "do"
    REFUSE = "refuse"
    TIMEOUT_BEFORE = "timeout before"
    TIMEOUT_AFTER = "timeout after"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """How often a seeded provider fails, each from 0 to 1.

    Attributes:
        declined: Cards that are refused.
        timeout: Calls without an answer; half of them have done what was asked.
        down: Calls that do not arrive.
    """

    declined: float = 0.1
    timeout: float = 0.1
    down: float = 0.0


class SimulatedProvider:
    """A provider in one SQLite file, which any number of processes may share. It is open within `async with`.

    Args:
        path: Its file; what was charged is still known after a restart.
        seed: Decides about each call by its key and number, so that a run can be repeated; None lets all succeed.
        odds: How often a seeded provider fails.

    Section:
        13.6, "Order, payment, inventory"
    """

    def __init__(self, path: Path, *, seed: int | None = None, odds: Odds | None = None) -> None:
        self._engine = build_engine(URL.create("sqlite+aiosqlite", database=str(path)))
        self._writer = self._engine.execution_options(**WRITES)
        self._seed, self._odds = seed, odds or Odds()

    async def __aenter__(self) -> Self:
        """Open the ledger."""
        await create_tables(self._writer, METADATA)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self._engine.dispose()

    async def charge(self, key: str, amount: Decimal, *, card: str) -> Receipt:
        """Charge a card once under a key; see `PaymentProvider.charge`."""
        async with self._writer.begin() as connection:
            row = await _counted(connection, key, card=card, charge_calls=1)
            outcome = await self._outcome(connection, "charge", row)
            if outcome in (Outcome.DO, Outcome.TIMEOUT_AFTER) and row.state == "OPEN":
                row = await _changed(connection, key, state="CHARGED", charged=amount)
            elif outcome is Outcome.REFUSE and row.state == "OPEN":
                row = await _changed(connection, key, state="DECLINED")
        _answered(outcome, key)
        if row.state == "DECLINED":
            raise CardDeclinedError(key)
        if row.state == "CLOSED":
            raise KeyClosedError(key)
        return _receipt(row)

    async def refund(self, key: str) -> Receipt | None:
        """Give back what was charged under a key, and close it; see `PaymentProvider.refund`."""
        async with self._writer.begin() as connection:
            row = await _counted(connection, key, refund_calls=1)
            outcome = await self._outcome(connection, "refund", row)
            if outcome in (Outcome.DO, Outcome.TIMEOUT_AFTER) and row.state != "CLOSED":
                row = await _changed(connection, key, state="CLOSED", refunded=row.charged)
        _answered(outcome, key)
        if row.state != "CLOSED":
            raise RefundRefusedError(key)
        return None if row.charged is None else _receipt(row)

    async def find(self, key: str) -> Receipt | None:
        """Say what was charged under a key; see `PaymentProvider.find`."""
        async with self._writer.begin() as connection:
            row = (await connection.execute(select(ledger).where(ledger.c.key == key))).one_or_none()
            outcome = await _scripted(connection, "find", (key, row.card if row else None))
        _answered(outcome or Outcome.DO, key)
        return None if row is None or row.charged is None else _receipt(row)

    async def script(
        self, who: str, *outcomes: Outcome, call: Call = "charge", lasting: bool = False
    ) -> None:
        """Say what becomes of the next calls; it is kept in the file, so other processes obey.

        Args:
            who: A key, a card, or EVERYBODY.
            outcomes: One for each call, in their order.
            call: Which calls.
            lasting: The outcome stays, until `forget_scripts`.
        """
        rows = [{"who": who, "call": call, "outcome": one, "lasting": lasting} for one in outcomes]
        async with self._writer.begin() as connection:
            await connection.execute(insert(scripts), rows)

    async def forget_scripts(self) -> None:
        """Let seed and odds decide again."""
        async with self._writer.begin() as connection:
            await connection.execute(delete(scripts))

    async def balance(self) -> Decimal:
        """Return what was charged and not given back, over all keys."""
        kept = func.round(
            func.sum(func.coalesce(ledger.c.charged, 0) - func.coalesce(ledger.c.refunded, 0)), 2
        )
        async with self._engine.begin() as connection:
            total = await connection.scalar(select(kept))
        return Decimal(str(total or 0)).quantize(NOTHING)

    async def _outcome(self, connection: AsyncConnection, call: Call, row: Row[Any]) -> Outcome:
        forced = await _scripted(connection, call, (row.key, row.card))
        return forced or self._by_chance(call, row)

    def _by_chance(self, call: Call, row: Row[Any]) -> Outcome:
        if self._seed is None:
            return Outcome.DO
        number = row.charge_calls if call == "charge" else row.refund_calls
        chance = Random(f"{self._seed}/{row.key}/{call}/{number}").random()  # noqa: S311 - replayable, no secret
        odds = self._odds
        if chance < odds.down:
            return Outcome.DOWN
        if chance < odds.down + odds.timeout:
            return Outcome.TIMEOUT_BEFORE if chance < odds.down + odds.timeout / 2 else Outcome.TIMEOUT_AFTER
        card = Random(f"{self._seed}/{row.key}").random()  # noqa: S311
        return Outcome.REFUSE if call == "charge" and card < odds.declined else Outcome.DO


async def _counted(connection: AsyncConnection, key: str, **columns: Any) -> Row[Any]:
    """Count a call under its key, which the first one opens, and return the key's row."""
    again = {name: ledger.c[name] + 1 for name in columns if name.endswith("_calls")}
    again |= {name: value for name, value in columns.items() if not name.endswith("_calls")}
    count = upsert(ledger).values(key=key, **columns).on_conflict_do_update(set_=again).returning(ledger)
    row: Row[Any] = (await connection.execute(count)).one()
    return row


async def _changed(connection: AsyncConnection, key: str, **columns: Any) -> Row[Any]:
    change = update(ledger).where(ledger.c.key == key).values(columns).returning(ledger)
    row: Row[Any] = (await connection.execute(change)).one()
    return row


async def _scripted(connection: AsyncConnection, call: Call, names: tuple[str, str | None]) -> Outcome | None:
    """Take the oldest outcome that somebody has asked for."""
    mine = or_(scripts.c.who == EVERYBODY, scripts.c.who.in_([name for name in names if name]))
    oldest = select(scripts).where(scripts.c.call == call, mine).order_by(scripts.c.id).limit(1)
    row = (await connection.execute(oldest)).one_or_none()
    if row is None:
        return None
    if not row.lasting:
        await connection.execute(delete(scripts).where(scripts.c.id == row.id))
    return Outcome(row.outcome)


def _answered(outcome: Outcome, key: str) -> None:
    if outcome is Outcome.DOWN:
        raise ProviderDownError(key)
    if outcome in (Outcome.TIMEOUT_BEFORE, Outcome.TIMEOUT_AFTER):
        raise ProviderTimeoutError(key)


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(row.key, row.charged, NOTHING if row.refunded is None else row.refunded)
