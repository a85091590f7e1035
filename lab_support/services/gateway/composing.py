"""API composition: many services asked at once, one answer by the deadline, with what is there.

All questions that can be asked are asked before any is answered. What an order is about (its buyer, its products) is
known from the read model before Orders has answered, and never changes; so the questions that depend on it need not
wait either. Where the read model knows nothing, or something else than Orders, they are asked after Orders' answer.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from lab_support.services.gateway.asking import Neighbours
from lab_support.services.gateway.dtos import (
    CustomerPart,
    Missing,
    OrderPart,
    OrderRow,
    OrderView,
    OrderViewPage,
    PaymentPart,
    ProductPart,
    StockPart,
)
from lab_support.services.gateway.errors import (
    GatewayError,
    NoAnswerError,
    OrdersTooSlowError,
    OrdersUnavailableError,
    OrderUnknownError,
    Reason,
)
from lab_support.services.gateway.remote import Patience, Until

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class About:
    """What an order is about, for good."""

    customer_id: str
    skus: frozenset[str]


Hint = Callable[[UUID], Awaitable[About | None]]
"""Tells what an order is about before Orders is asked, if it is known."""


async def no_hint(_order_id: UUID) -> None:
    """Know nothing in advance."""


@dataclass(slots=True)
class _Asked:
    """Questions under way within one composition; all end with it."""

    until: Until
    missing: list[Missing] = field(default_factory=list)
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def begin(self, question: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(question)
        self._tasks.append(task)
        return task

    async def part(self, name: str, task: asyncio.Task[T]) -> T | None:
        """Give an answer, or note that it is missing."""
        try:
            return await task
        except NoAnswerError as error:
            self.miss(name, error.service, error.reason)
            return None

    def miss(self, part: str, service: str, reason: Reason, of: Iterable[str] = ()) -> None:
        self.missing.append(Missing(part=part, service=service, reason=reason, of=sorted(of)))

    async def __aenter__(self) -> _Asked:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give up what nobody needs any more; no call can make this wait."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Puts answers together.

    Attributes:
        neighbours: Who is asked.
        hint: Tells in advance what an order is about; it may be wrong or fail, and costs nothing then but time saved.
    """

    neighbours: Neighbours
    hint: Hint = no_hint
    _patience: Patience = field(default_factory=Patience, init=False)

    async def close(self) -> None:
        """Let go of all services."""
        await asyncio.gather(self._patience.close(), self.neighbours.close())

    async def order(self, order_id: UUID, *, within_s: float) -> OrderView:
        """Show one order with all that belongs to it, as far as it can be had in time.

        Args:
            order_id: Which one.
            within_s: All the time there is, in seconds.

        Raises:
            OrderUnknownError: Orders has no such order.
            OrdersTooSlowError: Orders did not answer in time.
            OrdersUnavailableError: Orders can't be asked, or gave no usable answer.
        """
        ask, until = self.neighbours, Until.within(within_s)
        async with _Asked(until) as asked:
            ordered = asked.begin(ask.order(order_id, until))
            paid = asked.begin(ask.payments_of([order_id], until))
            reserved = asked.begin(ask.reservations_of([order_id], until))
            hint = asked.begin(self._hint(order_id, until))
            await asyncio.wait({ordered, hint}, timeout=until.left_s, return_when=asyncio.FIRST_COMPLETED)
            expected = hint.result() if hint.done() else None
            around = None if expected is None else _Around(ask, asked, expected)
            order = await _order_of(ordered, order_id)
            about = About(order.customer_id, frozenset(line.sku for line in order.lines))
            if around is None or about != expected:
                around = _Around(ask, asked, about)
            customer = await asked.part("customer", around.customer)
            payment = await _payment(asked, paid, order)
            reservation = await _of_order(asked, "reservation", "inventory", reserved, order_id)
            stock = await _of_products(asked, "stock", "inventory", around.stock, about)
            products = await _of_products(asked, "products", "catalog", around.products, about)
        return OrderView(
            order=order,
            customer=customer,
            payment=payment,
            reservation=reservation,
            stock=stock,
            products=products,
            missing=asked.missing,
        )

    async def orders_of(
        self, customer_id: str, *, after: UUID | None, limit: int, within_s: float
    ) -> OrderViewPage:
        """Show a page of somebody's orders: five calls, however many orders are on it.

        A sixth is for each further hundred products.

        Raises:
            OrderUnknownError: `after` is no order of this customer.
            OrdersTooSlowError: Orders did not answer in time.
            OrdersUnavailableError: Orders can't be asked, or gave no usable answer.
        """
        ask, until = self.neighbours, Until.within(within_s)
        async with _Asked(until) as asked:
            who = asked.begin(ask.customer(customer_id, until))
            page = await _order_of(asked.begin(ask.orders_of(customer_id, after, limit, until)), after)
            ids = [order.order_id for order in page.items]
            by_card = [order.order_id for order in page.items if order.pay_by == "card"]
            about = About(customer_id, frozenset(line.sku for one in page.items for line in one.lines))
            paid = asked.begin(_unless_empty(by_card, lambda: ask.payments_of(by_card, until)))
            reserved = asked.begin(_unless_empty(ids, lambda: ask.reservations_of(ids, until)))
            named = asked.begin(ask.products_of(about.skus, until))
            customer = await asked.part("customer", who)
            payments = await _of_orders(asked, "payment", "payments", paid, by_card)
            reservations = await _of_orders(asked, "reservation", "inventory", reserved, ids)
            products = await _of_products(asked, "products", "catalog", named, about)
        rows = [
            OrderRow(
                order=order,
                payment=payments.get(order.order_id),
                reservation=reservations.get(order.order_id),
            )
            for order in page.items
        ]
        return OrderViewPage(
            customer=customer, items=rows, products=products, missing=asked.missing, next=page.next
        )

    async def _hint(self, order_id: UUID, until: Until) -> About | None:
        try:
            return await self._patience.wait(self.hint(order_id), until.left_s)
        except Exception:  # it saves time when it works; whatever is wrong with it, Orders knows better
            return None


class _Around:
    """The questions that depend on what an order is about, under way."""

    def __init__(self, ask: Neighbours, asked: _Asked, about: About) -> None:
        self.customer: asyncio.Task[CustomerPart] = asked.begin(ask.customer(about.customer_id, asked.until))
        self.stock: asyncio.Task[Mapping[str, StockPart]] = asked.begin(ask.stock_of(about.skus, asked.until))
        self.products: asyncio.Task[Mapping[str, ProductPart]] = asked.begin(
            ask.products_of(about.skus, asked.until)
        )


async def _order_of(task: asyncio.Task[T], order_id: UUID | None) -> T:
    """Give what Orders says; without it there is no answer at all."""
    try:
        return await task
    except NoAnswerError as error:
        raise _refusal(error.reason, order_id) from error


def _refusal(reason: Reason, order_id: UUID | None) -> GatewayError:
    if reason == "not-found" and order_id is not None:
        return OrderUnknownError(order_id)
    return OrdersTooSlowError() if reason == "too-slow" else OrdersUnavailableError(reason)


async def _payment(
    asked: _Asked, task: asyncio.Task[Mapping[UUID, PaymentPart]], order: OrderPart
) -> PaymentPart | None:
    """Give the payment of an order by card; one on credit has none, and nobody waits to be told so."""
    if order.pay_by != "card":
        return None
    return await _of_order(asked, "payment", "payments", task, order.order_id)


async def _of_order(
    asked: _Asked, part: str, service: str, task: asyncio.Task[Mapping[UUID, T]], order_id: UUID
) -> T | None:
    found = await asked.part(part, task)
    if found is not None and order_id not in found:
        asked.miss(part, service, "not-found")
    return None if found is None else found.get(order_id)


async def _of_orders(
    asked: _Asked, part: str, service: str, task: asyncio.Task[Mapping[UUID, T]], wanted: Iterable[UUID]
) -> Mapping[UUID, T]:
    found = await asked.part(part, task)
    if found is None:
        return {}
    if unknown := [str(one) for one in wanted if one not in found]:
        asked.miss(part, service, "not-found", unknown)
    return found


async def _of_products(
    asked: _Asked, part: str, service: str, task: asyncio.Task[Mapping[str, T]], about: About
) -> list[T] | None:
    found = await asked.part(part, task)
    if found is None:
        return None
    if unknown := about.skus - found.keys():
        asked.miss(part, service, "not-found", unknown)
    return [found[sku] for sku in sorted(about.skus & found.keys())]


async def _unless_empty(
    wanted: list[UUID], ask: Callable[[], Awaitable[Mapping[UUID, T]]]
) -> Mapping[UUID, T]:
    """Ask nothing about nothing."""
    return await ask() if wanted else {}
