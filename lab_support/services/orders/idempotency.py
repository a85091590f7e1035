"""Idempotency keys: an order that is posted again, because its answer got lost, is answered again and not taken again.

The key is claimed in the order's own transaction, as its first statement. Of many that come at once the table lets
one through and makes the others wait for its end.

Section:
    13.4, "An idempotency key: a POST that may be sent twice"; 13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database.inserts import insert_if_absent
from lab_support.services.orders.dtos import OrderAccepted
from lab_support.services.orders.entities import IdempotencyKey
from lab_support.services.orders.errors import IdempotencyKeyReusedError, InvalidOrderError

KEY_PATTERN: Final = r"^[!-~]{1,200}$"


@dataclass(frozen=True, slots=True)
class Once:
    """One order that is to be taken once, under its caller's key.

    Attributes:
        key: The caller's name for it.
        fingerprint: What is ordered by whom, as a hash: tells the same order from another one.
    """

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, customer_id: str, pay_by: str, wanted: Mapping[str, int]) -> Once:
        """Name an order; the sequence of its products does not matter.

        Raises:
            InvalidOrderError: The key is empty, too long, or has other characters than visible ASCII.
        """
        if not re.fullmatch(KEY_PATTERN[1:-1], key):
            raise InvalidOrderError(
                "An idempotency key has 1 to 200 visible ASCII characters, such as a UUID."
            )
        order = json.dumps([customer_id, pay_by, sorted(wanted.items())])
        return cls(key, hashlib.sha256(order.encode()).hexdigest())

    async def earlier_answer(self, session: AsyncSession, now: datetime) -> OrderAccepted | None:
        """Take the key, or wait for whoever is taking it; give the answer that an order got with it before.

        Raises:
            IdempotencyKeyReusedError: That was another order.
        """
        row = {"key": self.key, "fingerprint": self.fingerprint, "created_at": now}
        while not await insert_if_absent(session, IdempotencyKey, **row):
            known = await session.get(IdempotencyKey, self.key)
            if known is None or known.answer is None:
                continue  # forgotten just now: it is free again
            if known.fingerprint != self.fingerprint:
                raise IdempotencyKeyReusedError
            return OrderAccepted.model_validate_json(known.answer)
        return None

    async def remember(self, session: AsyncSession, answer: OrderAccepted) -> None:
        """Keep the answer with the key."""
        mine = update(IdempotencyKey).where(IdempotencyKey.key == self.key)
        await session.execute(mine.values(answer=answer.model_dump_json()))


async def forget_keys(session: AsyncSession, *, before: datetime) -> int:
    """Delete the keys that are older than a moment, and tell how many; the caller commits.

    Afterwards their requests would be taken again, so choose longer than any caller goes on trying: a day is usual.
    """
    done = await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < before))
    return cast("CursorResult[Any]", done).rowcount
