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
    customer = await uow.session.get(
        Customer, order.customer_id, with_for_update=True, populate_existing=True
    )
    enough = customer is not None and customer.credit_limit - customer.reserved >= order.total
    if enough:
        customer.reserved += order.total
        uow.session.add(
            CreditReservation(order_id=order.order_id, customer_id=order.customer_id, amount=order.total)
        )
    kind = CustomerCreditReserved if enough else CustomerCreditLimitExceeded
    answer = kind(order_id=order.order_id, customer_id=order.customer_id, amount=order.total)
    uow.announce(TYPES.event(answer, aggregate_type="Customer", aggregate_id=order.customer_id, cause=event))
