from sqlalchemy import func, insert, update

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
    after = func.round(Customer.reserved + order.total, 2)
    taken = await uow.session.execute(
        update(Customer)
        .where(Customer.id == order.customer_id, after <= Customer.credit_limit)
        .values(reserved=after)
        .execution_options(synchronize_session=False)
    )
    about = {"order_id": order.order_id, "customer_id": order.customer_id, "amount": order.total}
    if taken.rowcount:
        await uow.session.execute(insert(CreditReservation).values(about))
        answer = CustomerCreditReserved(**about)
    else:
        answer = CustomerCreditLimitExceeded(**about)
    uow.announce(TYPES.event(answer, aggregate_type="Customer", aggregate_id=order.customer_id, cause=event))
