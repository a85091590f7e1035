from decimal import Decimal

from sqlalchemy import select

from lab_support.database import UnitOfWork
from lab_support.exercises.s13_05.saga_shop import (
    TYPES,
    CreditReservation,
    Customer,
    CustomerCreditLimitExceeded,
    CustomerCreditReserved,
    OrderCreated,
)
from lab_support.messaging import Event


async def reserve_credit(uow: UnitOfWork, event: Event, order: OrderCreated) -> None:
    """Count what the rows say, while the customer's row is locked."""
    limit = await uow.session.scalar(
        select(Customer.credit_limit).where(Customer.id == order.customer_id).with_for_update()
    )
    rows = await uow.session.scalars(
        select(CreditReservation.amount).where(
            CreditReservation.customer_id == order.customer_id, CreditReservation.state == "RESERVED"
        )
    )
    reserved = sum(rows, Decimal(0)) + order.total
    about = {"order_id": order.order_id, "customer_id": order.customer_id, "amount": order.total}
    if limit is None or reserved > limit:
        answer = CustomerCreditLimitExceeded(**about)
    else:
        customer = await uow.session.get(Customer, order.customer_id)
        customer.reserved = reserved
        uow.session.add(CreditReservation(**about))
        answer = CustomerCreditReserved(**about)
    uow.announce(TYPES.event(answer, aggregate_type="Customer", aggregate_id=order.customer_id, cause=event))
