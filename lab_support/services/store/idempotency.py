"""Idempotency keys: an order that is posted again, because its answer got lost, is answered again and not placed again.

The key is claimed in the order's own transaction, as its first statement. Of many that come at once the table lets
one through and makes the others wait: until it commits, and they find its answer, or until it rolls back, and the next
one gets the key.

Section:
    13.4, "An idempotency key: a POST that may be sent twice"
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.repositories import DuplicateError
from lab_support.repositories.violations import named_violations
from lab_support.services.store.dtos import OrderDetail
from lab_support.services.store.entities import IdempotencyKey
from lab_support.services.store.errors import IdempotencyKeyReusedError, InvalidOrderError

KEY_PATTERN: Final = r"^[!-~]{1,200}$"


@dataclass(frozen=True, slots=True)
class Once:
    """One order that is to be placed once, under its caller's key.

    Attributes:
        key: The caller's name for it.
        fingerprint: What is ordered by whom, as a hash: tells the same order from another one.
    """

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, user_id: int, wanted: Mapping[int, int]) -> Once:
        """Name an order; the sequence of its products does not matter.

        Raises:
            InvalidOrderError: The key is empty, too long, or has other characters than visible ASCII.
        """
        if not re.fullmatch(KEY_PATTERN, key):
            raise InvalidOrderError(
                "An idempotency key has 1 to 200 visible ASCII characters, such as a UUID."
            )
        order = json.dumps([user_id, sorted(wanted.items())])
        return cls(key, hashlib.sha256(order.encode()).hexdigest())

    async def claim(self, session: AsyncSession) -> None:
        """Take the key, or wait for whoever is taking it.

        Raises:
            KeyTakenError: An order has been placed with it; the transaction is to be rolled back.
        """
        row = {"key": self.key, "fingerprint": self.fingerprint}
        try:
            with named_violations(IdempotencyKey.__name__):
                await session.execute(insert(IdempotencyKey).values(row))
        except DuplicateError as error:
            raise KeyTakenError(self) from error

    async def remember(self, session: AsyncSession, answer: OrderDetail) -> None:
        """Keep the answer with the key."""
        mine = update(IdempotencyKey).where(IdempotencyKey.key == self.key)
        await session.execute(mine.values(answer=answer.model_dump_json()))

    async def recall(self, session: AsyncSession) -> OrderDetail | None:
        """Give the answer that the key's order got; None when the key was forgotten meanwhile.

        Raises:
            IdempotencyKeyReusedError: That was another order.
        """
        row = await session.get(IdempotencyKey, self.key)
        if row is None or row.answer is None:
            return None
        if row.fingerprint != self.fingerprint:
            raise IdempotencyKeyReusedError
        return OrderDetail.model_validate_json(row.answer)


class KeyTakenError(Exception):
    """An order was placed with this key before; `once` can recall its answer."""

    def __init__(self, once: Once) -> None:
        super().__init__("An order was placed with this idempotency key before.")
        self.once = once


async def forget_keys(session: AsyncSession, *, before: datetime) -> int:
    """Delete the keys that are older than a moment, and tell how many; the caller commits.

    Afterwards their requests would be placed again, so choose longer than any caller goes on trying: a day is usual.
    """
    done = await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < before))
    return cast("CursorResult[Any]", done).rowcount
