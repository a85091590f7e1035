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
    customer = await uow.session.get(Customer, order.customer_id)
    about = {"order_id": order.order_id, "customer_id": order.customer_id, "amount": order.total}
    if customer is not None and customer.credit_limit - customer.reserved >= order.total:
        customer.reserved += order.total
        uow.session.add(CreditReservation(**about))
        answer = CustomerCreditReserved(**about)
    else:
        answer = CustomerCreditLimitExceeded(**about)
    uow.announce(TYPES.event(answer, aggregate_type="Customer", aggregate_id=order.customer_id, cause=event))
