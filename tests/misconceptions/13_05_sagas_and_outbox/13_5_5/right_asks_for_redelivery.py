from lab_support.exercises.s13_05.saga_given import say
from lab_support.exercises.s13_05.saga_shop import (
    CreditReservation,
    Customer,
    CustomerCreditReleased,
    Order,
    Stock,
    StockReleased,
    StockReservation,
)


class TooEarly(Exception):
    """The bus delivers the event again, when the reservation has come."""


async def conclude_order(uow, event, fact):
    order = await uow.session.get(Order, fact.order_id)
    if order.state == "PENDING":
        if event.type == "CustomerCreditReserved":
            order.credit_reserved = True
        elif event.type == "StockReserved":
            order.stock_reserved = True
        else:
            order.state = "FAILED_NO_CREDIT" if "Credit" in event.type else "FAILED_NO_STOCK"
            return
        if order.credit_reserved and order.stock_reserved:
            order.state = "APPROVED"


async def release_credit(uow, event, fact):
    row = await uow.session.get(CreditReservation, fact.order_id)
    if row is None:
        raise TooEarly
    if row.state == "RESERVED":
        row.state = "RELEASED"
        customer = await uow.session.get(Customer, row.customer_id)
        customer.reserved -= row.amount
        about = {"order_id": row.order_id, "customer_id": row.customer_id, "amount": row.amount}
        say(uow, "Customers", CustomerCreditReleased(**about), event)


async def release_stock(uow, event, fact):
    row = await uow.session.get(StockReservation, fact.order_id)
    if row is None:
        raise TooEarly
    if row.state == "RESERVED":
        row.state = "RELEASED"
        stock = await uow.session.get(Stock, row.sku)
        stock.available += row.quantity
        about = {"order_id": row.order_id, "sku": row.sku, "quantity": row.quantity}
        say(uow, "Inventory", StockReleased(**about), event)
