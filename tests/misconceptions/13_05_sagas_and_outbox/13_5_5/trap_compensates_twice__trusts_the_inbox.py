from sqlalchemy import update

from lab_support.exercises.s13_05.saga_given import say
from lab_support.exercises.s13_05.saga_shop import (
    CreditReservation,
    Customer,
    CustomerCreditLimitExceeded,
    CustomerCreditReleased,
    CustomerCreditReserved,
    Order,
    Stock,
    StockReleased,
    StockReservation,
    StockReserved,
    StockUnavailable,
)

FAILED = {CustomerCreditLimitExceeded: "FAILED_NO_CREDIT", StockUnavailable: "FAILED_NO_STOCK"}


async def conclude_order(uow, event, fact):
    order = await uow.session.get(Order, fact.order_id, with_for_update=True, populate_existing=True)
    if order.state != "PENDING":
        return
    order.credit_reserved |= isinstance(fact, CustomerCreditReserved)
    order.stock_reserved |= isinstance(fact, StockReserved)
    if type(fact) in FAILED:
        order.state = FAILED[type(fact)]
    elif order.credit_reserved and order.stock_reserved:
        order.state = "APPROVED"


async def release_credit(uow, event, fact):
    row = await uow.session.get(CreditReservation, fact.order_id, with_for_update=True)
    if row is None:
        uow.session.add(CreditReservation(order_id=fact.order_id, customer_id=None, state="RELEASED"))
    elif row.state == "RESERVED":
        row.state = "RELEASED"
        customer = await uow.session.get(
            Customer, row.customer_id, with_for_update=True, populate_existing=True
        )
        customer.reserved -= row.amount
        released = CustomerCreditReleased(
            order_id=fact.order_id, customer_id=row.customer_id, amount=row.amount
        )
        say(uow, "Customers", released, event)


async def release_stock(uow, event, fact):
    row = await uow.session.get(StockReservation, fact.order_id, with_for_update=True)
    if row is None:
        uow.session.add(StockReservation(order_id=fact.order_id, sku=None, state="RELEASED"))
    elif row.quantity and row.state != "REFUSED":
        row.state = "RELEASED"
        back = update(Stock).where(Stock.sku == row.sku)
        await uow.session.execute(back.values(available=Stock.available + row.quantity))
        say(
            uow,
            "Inventory",
            StockReleased(order_id=fact.order_id, sku=row.sku, quantity=row.quantity),
            event,
        )
