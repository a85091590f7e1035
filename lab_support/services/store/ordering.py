"""Placing an order: stock, order, items and payment are written together or not at all.

One transaction holds everything, the answer that is remembered under an idempotency key included. Its steps lock what
they change in one order for everybody: the key, the products by their ids, the user. What two orders share they
reach in the same sequence, so that one waits for the other, and deadlocks stay rare.

Section:
    13.4, "A use case: book seats"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database.retries import retry_transaction
from lab_support.database.unit_of_work import UnitOfWork, unit_of_work
from lab_support.services.store.dtos import OrderDetail, OrderLine
from lab_support.services.store.entities import Order, OrderItem, Payment
from lab_support.services.store.errors import InvalidOrderError
from lab_support.services.store.fields import MAX_ORDER_LINES, MAX_QUANTITY
from lab_support.services.store.idempotency import KeyTakenError, Once
from lab_support.services.store.taking import priced, take_money, take_stock

PATIENCE_S: Final = 4.0
"""No attempt begins later than this after the first: whoever waited for a lock in vain is told so (503)."""


class OrderService:
    """The use case of ordering. Each attempt has a unit of work of its own, so it takes a factory and no session."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def place_order(
        self, user_id: int, lines: Iterable[tuple[int, int]], *, idempotency_key: str | None = None
    ) -> OrderDetail:
        """Sell products to a user at the prices of this moment, paid from the user's balance.

        A refused order leaves nothing, its idempotency key included: the same request may be sent again.

        Args:
            user_id: Who buys and pays.
            lines: Pairs of a product's id and how many pieces; pairs of one product become one line.
            idempotency_key: The caller's name for this one order. Repeated with the same order, it gives the first
                answer again, to the letter, and sells nothing.

        Raises:
            InvalidOrderError: There is no line, there are too many, or a quantity is impossible.
            ProductNotFoundError: A line's product does not exist.
            ProductUnavailableError: A line's product is not for sale.
            ProductOutOfStockError: The stock has fewer pieces of a product.
            UserNotFoundError: There is no such user.
            InsufficientPaymentError: The order costs more than the user's balance.
            IdempotencyKeyReusedError: The key belongs to another order.
            RetriesExhaustedError: Others were in the way all the time.
        """
        wanted = merged(lines)
        once = None if idempotency_key is None else Once.of(idempotency_key, user_id, wanted)
        return await retry_transaction(lambda: self._attempt(user_id, wanted, once), limit_s=PATIENCE_S)

    async def _attempt(self, user_id: int, wanted: Mapping[int, int], once: Once | None) -> OrderDetail:
        try:
            return await self._write(user_id, wanted, once)
        except KeyTakenError as taken:
            async with self._sessions() as session:
                answer = await taken.once.recall(session)
        return answer or await self._write(user_id, wanted, once)

    async def _write(self, user_id: int, wanted: Mapping[int, int], once: Once | None) -> OrderDetail:
        async with unit_of_work(self._sessions) as uow:
            if once is not None:
                await once.claim(uow.session)
            await take_stock(uow.session, wanted)
            lines = await priced(uow.session, wanted)
            total = sum((line.line_total for line in lines), Decimal())
            email = await take_money(uow.session, user_id, total)
            order = Order(user_id=user_id, customer_email=email, payment=Payment(amount=total))
            await _add(uow, order, lines)
            answer = OrderDetail(order_id=order.id, customer_email=email, lines=lines)
            if once is not None:
                await once.remember(uow.session, answer)
            await uow.commit()
        return answer


async def _add(uow: UnitOfWork, order: Order, lines: Iterable[OrderLine]) -> None:
    """Write the order, its payment and its items: three statements, however many lines."""
    uow.session.add(order)
    await uow.flush()
    columns = {"product_id", "quantity", "unit_price"}
    items = [{"order_id": order.id, **line.model_dump(include=columns)} for line in lines]
    await uow.session.execute(insert(OrderItem).values(items))


def merged(lines: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Add up the quantities of each product, in the order in which the products are first named.

    Raises:
        InvalidOrderError: There is no line, there are too many, or a quantity is impossible.
    """
    listed = list(lines)
    if not 1 <= len(listed) <= MAX_ORDER_LINES:
        raise InvalidOrderError(f"An order has 1 to {MAX_ORDER_LINES} lines, not {len(listed)}.")
    wanted: dict[int, int] = {}
    for product_id, quantity in listed:
        if not 1 <= quantity <= MAX_QUANTITY:
            raise InvalidOrderError(f"A line is about 1 to {MAX_QUANTITY:,} pieces, not {quantity:,}.")
        wanted[product_id] = wanted.get(product_id, 0) + quantity
    return wanted
