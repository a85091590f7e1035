"""What the gateway asks the other services, one method for each question.

A question about many things is one call, or one for each hundred of them: never one for each thing.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

from lab_support.services.gateway.dtos import (
    CustomerPart,
    JournalPage,
    OrderPart,
    OrderPartPage,
    PaymentPart,
    ProductPart,
    ProductPartPage,
    ReservationPart,
    StockPart,
    StockPartPage,
)
from lab_support.services.gateway.errors import NoAnswerError
from lab_support.services.gateway.remote import RemoteService, Until

MOST_AT_ONCE: Final = 100
"""As many things as the services let themselves be asked for in one call."""

T = TypeVar("T")
_ORDER = TypeAdapter(OrderPart)
_ORDERS = TypeAdapter(OrderPartPage)
_JOURNAL = TypeAdapter(JournalPage)
_CUSTOMER = TypeAdapter(CustomerPart)
_PAYMENTS = TypeAdapter(list[PaymentPart])
_RESERVATIONS = TypeAdapter(list[ReservationPart])
_STOCK = TypeAdapter(StockPartPage)
_PRODUCTS = TypeAdapter(ProductPartPage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The services around the gateway."""

    orders: RemoteService
    customers: RemoteService
    payments: RemoteService
    inventory: RemoteService
    catalog: RemoteService

    @property
    def all(self) -> Sequence[RemoteService]:
        """Each of them."""
        return (self.orders, self.customers, self.payments, self.inventory, self.catalog)

    async def close(self) -> None:
        """Let go of all of them."""
        await asyncio.gather(*(one.close() for one in self.all))

    async def order(self, order_id: UUID, until: Until) -> OrderPart:
        """Ask Orders for one order.

        Raises:
            NoAnswerError: There is no usable answer.
        """
        found = await self.orders.get(f"/orders/{order_id}", _ORDER, until=until)
        if found.order_id != order_id:
            raise NoAnswerError("orders", "garbage", "another order than the one asked for")
        return found

    async def orders_of(
        self, customer_id: str, after: UUID | None, limit: int, until: Until
    ) -> OrderPartPage:
        """Ask Orders for a page of somebody's orders.

        Raises:
            NoAnswerError: There is no usable answer; `not-found` when `after` is no order of this customer.
        """
        query = [("customer_id", customer_id), ("limit", str(limit))]
        if after is not None:
            query.append(("after", str(after)))
        page = await self.orders.get("/orders", _ORDERS, until=until, query=query)
        if len(page.items) > limit or any(one.customer_id != customer_id for one in page.items):
            raise NoAnswerError("orders", "garbage", "other orders than those asked for")
        return page

    async def journal(self, after: int, limit: int, until: Until) -> JournalPage:
        """Ask Orders for the events after a position.

        Raises:
            NoAnswerError: There is no usable answer.
        """
        query = [("after", str(after)), ("limit", str(limit))]
        return await self.orders.get("/orders/journal", _JOURNAL, until=until, query=query)

    async def customer(self, customer_id: str, until: Until) -> CustomerPart:
        """Ask Customers for one customer.

        Raises:
            NoAnswerError: There is no usable answer.
        """
        found = await self.customers.get(f"/customers/{customer_id}", _CUSTOMER, until=until)
        if found.customer_id != customer_id:
            raise NoAnswerError("customers", "garbage", "another customer than the one asked for")
        return found

    async def payments_of(self, order_ids: Collection[UUID], until: Until) -> Mapping[UUID, PaymentPart]:
        """Ask Payments for the payments of orders; orders without one are left out.

        Raises:
            NoAnswerError: There is no usable answer.
        """
        query = [("order_id", str(one)) for one in order_ids]
        found = await self.payments.get("/payments", _PAYMENTS, until=until, query=query)
        return {one.order_id: one for one in found}

    async def reservations_of(
        self, order_ids: Collection[UUID], until: Until
    ) -> Mapping[UUID, ReservationPart]:
        """Ask Inventory what is reserved for orders; those about which nothing was decided are left out.

        Raises:
            NoAnswerError: There is no usable answer.
        """
        query = [("order_id", str(one)) for one in order_ids]
        found = await self.inventory.get("/inventory/reservations", _RESERVATIONS, until=until, query=query)
        return {one.order_id: one for one in found}

    async def stock_of(self, skus: Collection[str], until: Until) -> Mapping[str, StockPart]:
        """Ask Inventory what is left of products; those it does not have are left out.

        Raises:
            NoAnswerError: There is no usable answer.
        """
        pages = await asyncio.gather(
            *(
                self.inventory.get("/inventory/stock", _STOCK, until=until, query=query)
                for query in _by_hundreds("sku", skus)
            )
        )
        return {one.sku: one for page in pages for one in page.items}

    async def products_of(self, skus: Collection[str], until: Until) -> Mapping[str, ProductPart]:
        """Ask the catalogue for products; those it does not have are left out.

        Raises:
            NoAnswerError: There is no usable answer.
        """
        pages = await asyncio.gather(
            *(
                self.catalog.get(
                    "/catalog/products", _PRODUCTS, until=until, query=[*query, ("limit", str(MOST_AT_ONCE))]
                )
                for query in _by_hundreds("sku", skus)
            )
        )
        return {one.sku: one for page in pages for one in page.items}


def _by_hundreds(name: str, values: Collection[str]) -> list[list[tuple[str, str]]]:
    """Write values as queries of at most a hundred each."""
    listed = sorted(set(values))
    return [
        [(name, value) for value in listed[start : start + MOST_AT_ONCE]]
        for start in range(0, len(listed), MOST_AT_ONCE)
    ]
