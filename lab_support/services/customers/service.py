"""What callers of Customers can do over HTTP: one method per use case, the only place that commits.

What happens to credit because of orders is in `credit.py`.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.repositories import DuplicateError
from lab_support.services.customers.dtos import CustomerCreate, CustomerPage, CustomerRead
from lab_support.services.customers.errors import CustomerIdTakenError, CustomerNotFoundError
from lab_support.services.customers.mapping import customer_read, new_customer
from lab_support.services.customers.repository import CustomerRepository, ReservationRepository

NOTHING: Final = Decimal("0.00")


class CustomerService:
    """The use cases of customers, in one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._customers = CustomerRepository(session)
        self._reservations = ReservationRepository(session)

    async def create(self, wanted: CustomerCreate) -> CustomerRead:
        """Store a new customer.

        Raises:
            CustomerIdTakenError: Somebody has this id.
        """
        try:
            customer = await self._customers.create(new_customer(wanted))
        except DuplicateError as error:
            raise CustomerIdTakenError(wanted.customer_id) from error
        await self._session.commit()
        return customer_read(customer, NOTHING)

    async def get(self, customer_id: str) -> CustomerRead:
        """Read one customer, and what is reserved.

        Raises:
            CustomerNotFoundError: Nobody has this id.
        """
        customer = await self._customers.get_by_id(customer_id)
        if customer is None:
            raise CustomerNotFoundError(customer_id)
        reserved = await self._reservations.reserved([customer_id])
        return customer_read(customer, reserved.get(customer_id, NOTHING))

    async def browse(self, *, after: str | None = None, limit: int = 20) -> CustomerPage:
        """Read one page of customers: two queries, however many they are."""
        page = await self._customers.page(after=after, limit=limit)
        reserved = await self._reservations.reserved([customer.id for customer in page.items])
        return CustomerPage(
            items=[customer_read(customer, reserved.get(customer.id, NOTHING)) for customer in page.items],
            next=page.next,
        )
