"""What happens to credit because of orders: reserved, refused, verified, released. The caller commits.

An order's reservation is decided once. Its row is the first that is written, so of two messages about one order the
second waits for the first; whatever comes later finds what was decided. An order that failed before anything was
decided leaves a tombstone, and a message that was late finds that instead.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "The action, and what makes it good"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self
from uuid import UUID

from lab_support.database import UnitOfWork
from lab_support.messaging import Event
from lab_support.sagas import RefusedError, Task
from lab_support.services.customers.entities import (
    CANCELLED,
    REFUSED,
    RELEASED,
    RESERVED,
    CreditReservation,
)
from lab_support.services.customers.events import (
    EVENTS,
    TOPIC,
    CompensationFailed,
    CustomerCreditLimitExceeded,
    CustomerCreditReleased,
    CustomerCreditReserved,
    CustomerVerificationFailed,
    CustomerVerified,
    NothingToCompensate,
    OrderCreated,
    ReleaseCredit,
    ReserveCredit,
    VerifyCustomer,
)
from lab_support.services.customers.repository import CustomerRepository, ReservationRepository
from lab_support.services.vocabulary import RELEASE_CREDIT, Line, Payload

UNKNOWN: Final = "UNKNOWN_CUSTOMER"
BLOCKED: Final = "CUSTOMER_BLOCKED"
EXCEEDED: Final = "CREDIT_LIMIT_EXCEEDED"


@dataclass(frozen=True, slots=True)
class Purchase:
    """Who wants to buy what, and for how much, whether an event or a command says so."""

    order_id: UUID
    customer_id: str
    amount: Decimal
    items: list[Line]

    @classmethod
    def of(cls, asked: OrderCreated | ReserveCredit | VerifyCustomer) -> Self:
        """Read it from what asks for it."""
        amount = asked.total if isinstance(asked, OrderCreated) else asked.amount
        return cls(asked.order_id, asked.customer_id, amount, asked.items)


async def reserve(uow: UnitOfWork, purchase: Purchase, cause: Event) -> bool:
    """Set the price of an order aside, or refuse, and announce which; False when that was decided before."""
    customers, reservations = CustomerRepository(uow.session), ReservationRepository(uow.session)
    if not await reservations.begin(purchase.order_id, purchase.customer_id, purchase.amount):
        return False
    if await customers.take_credit(purchase.customer_id, purchase.amount):
        uow.announce(_event(_reserved(purchase, purchase.amount), purchase.customer_id, cause=cause))
        return True
    blocked = await customers.is_blocked(purchase.customer_id)
    reason = UNKNOWN if blocked is None else BLOCKED if blocked else EXCEEDED
    await reservations.refuse(purchase.order_id, reason)
    uow.announce(_event(_refused(purchase, reason), purchase.customer_id, cause=cause))
    return True


async def repeat_decision(uow: UnitOfWork, purchase: Purchase, cause: Event) -> None:
    """Announce once more what was decided about an order, for somebody who asked again; a cancelled one is over."""
    decided = await ReservationRepository(uow.session).get(purchase.order_id)
    if decided is None or decided.status not in (RESERVED, REFUSED):
        return
    amount = purchase.amount if decided.amount is None else decided.amount
    reserved = decided.status == RESERVED
    payload = _reserved(purchase, amount) if reserved else _refused(purchase, decided.reason or EXCEEDED)
    uow.announce(_event(payload, purchase.customer_id, cause=cause))


async def verify(uow: UnitOfWork, purchase: Purchase, cause: Event) -> None:
    """Say whether a customer may pay by card, and nothing at all for an order that has failed meanwhile."""
    blocked, cancelled = await CustomerRepository(uow.session).standing(
        purchase.customer_id, purchase.order_id
    )
    if cancelled:
        return
    payload: Payload
    if blocked is False:
        payload = CustomerVerified(
            order_id=purchase.order_id,
            customer_id=purchase.customer_id,
            amount=purchase.amount,
            items=purchase.items,
        )
    else:
        payload = _refused(purchase, BLOCKED if blocked else UNKNOWN)
    uow.announce(_event(payload, purchase.customer_id, cause=cause))


async def release_credit(uow: UnitOfWork, task: Task) -> None:
    """Give back what is reserved for an order, once; when nothing was reserved, see that nothing will be.

    Raises:
        RefusedError: ORDER_STANDS: the order was confirmed. CUSTOMER_GONE: there is no account to give it back to.
    """
    order_id, decided = UUID(task.subject), None
    reservations = ReservationRepository(uow.session)
    if not await reservations.cancel(order_id, task.payload.get("customer_id")):
        decided = await reservations.get(order_id, for_update=True)
    released = decided is not None and decided.status in (RESERVED, RELEASED)
    if decided is not None and decided.status == RESERVED:
        await _give_back(uow, decided)
    uow.announce(_outcome(order_id, decided if released else None, task.payload, **task.because))


async def repeat_release(uow: UnitOfWork, asked: ReleaseCredit, cause: Event) -> None:
    """Announce once more that credit was given back or never reserved, for somebody who asked again."""
    decided = await ReservationRepository(uow.session).get(asked.order_id)
    if decided is None or decided.status not in (RELEASED, REFUSED, CANCELLED):
        return  # the compensation is still open, or waits for a person
    released = decided if decided.status == RELEASED else None
    uow.announce(_outcome(asked.order_id, released, cause.payload, cause=cause))


def release_failed(task: Task, reason: str, attempts: int) -> Event:
    """Tell that credit can't be given back and a person has to look."""
    payload = CompensationFailed(
        order_id=UUID(task.subject), action=RELEASE_CREDIT, reason=reason, attempts=attempts
    )
    return _event(payload, task.payload.get("customer_id"), **task.because)


async def _give_back(uow: UnitOfWork, decided: CreditReservation) -> None:
    if not await ReservationRepository(uow.session).release(decided.order_id):
        raise RefusedError("ORDER_STANDS")
    customer_id, amount = _of(decided)
    if not await CustomerRepository(uow.session).give_credit(customer_id, amount):
        raise RefusedError("CUSTOMER_GONE")


def _of(reserved: CreditReservation) -> tuple[str, Decimal]:
    return reserved.customer_id or "", reserved.amount or Decimal()


def _outcome(
    order_id: UUID, released: CreditReservation | None, asked: Mapping[str, Any], **because: Any
) -> Event:
    payload: Payload = NothingToCompensate(order_id=order_id, action=RELEASE_CREDIT)
    if released is not None:
        customer_id, amount = _of(released)
        payload = CustomerCreditReleased(order_id=order_id, customer_id=customer_id, amount=amount)
        return _event(payload, customer_id, **because)
    return _event(payload, asked.get("customer_id"), **because)


def _reserved(purchase: Purchase, amount: Decimal) -> Payload:
    return CustomerCreditReserved(
        order_id=purchase.order_id, customer_id=purchase.customer_id, amount=amount, items=purchase.items
    )


def _refused(purchase: Purchase, reason: str) -> Payload:
    order_id, customer_id = purchase.order_id, purchase.customer_id
    if reason == EXCEEDED:
        return CustomerCreditLimitExceeded(order_id=order_id, customer_id=customer_id, amount=purchase.amount)
    blocked = reason == BLOCKED
    return CustomerVerificationFailed(
        order_id=order_id, customer_id=customer_id, reason=BLOCKED if blocked else UNKNOWN
    )


def _event(payload: Payload, customer_id: str | None, **because: Any) -> Event:
    """Put it in an envelope; an event about an order of which no customer is known is the order's own."""
    of = customer_id or payload.model_dump()["order_id"]
    return EVENTS.event(payload, aggregate_type=TOPIC, aggregate_id=of, **because)
