from sqlalchemy import update

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
    about = {"order_id": order.order_id, "customer_id": order.customer_id, "amount": order.total}
    found = await uow.session.execute(
        update(Customer)
        .where(Customer.id == order.customer_id)
        .values(reserved=Customer.reserved + order.total)
    )
    kind = CustomerCreditReserved if found.rowcount else CustomerCreditLimitExceeded
    if found.rowcount:
        uow.session.add(CreditReservation(**about))
    uow.announce(
        TYPES.event(kind(**about), aggregate_type="Customer", aggregate_id=order.customer_id, cause=event)
    )
