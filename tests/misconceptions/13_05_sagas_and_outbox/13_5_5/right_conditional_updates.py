from sqlalchemy import case, func, insert, update

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


async def conclude_order(uow, event, fact):
    """Let the UPDATE decide: only what is PENDING is met."""
    yes = {
        "CustomerCreditReserved": (Order.credit_reserved, Order.stock_reserved),
        "StockReserved": (Order.stock_reserved, Order.credit_reserved),
    }
    mine = update(Order).where(Order.id == fact.order_id, Order.state == "PENDING")
    if event.type in yes:
        this, other = yes[event.type]
        state = case((other.is_(True), "APPROVED"), else_="PENDING")
        statement = mine.values({this: True, Order.state: state})
    else:
        failed = "FAILED_NO_CREDIT" if "Credit" in event.type else "FAILED_NO_STOCK"
        statement = mine.values(state=failed)
    await uow.session.execute(statement.execution_options(synchronize_session=False))


async def _taken_back(uow, table, order_id):
    """Turn RESERVED into RELEASED and return the row, or leave a mark; None when there is nothing to give back."""
    mine = update(table).where(table.order_id == order_id, table.state == "RESERVED")
    if (await uow.session.execute(mine.values(state="RELEASED"))).rowcount:
        return await uow.session.get(table, order_id, populate_existing=True)
    if await uow.session.get(table, order_id) is None:
        await uow.session.execute(insert(table).values(order_id=order_id, state="RELEASED"))
    return None


async def release_credit(uow, event, fact):
    row = await _taken_back(uow, CreditReservation, fact.order_id)
    if row is not None:
        less = func.round(Customer.reserved - row.amount, 2)
        await uow.session.execute(
            update(Customer).where(Customer.id == row.customer_id).values(reserved=less)
        )
        about = {"order_id": row.order_id, "customer_id": row.customer_id, "amount": row.amount}
        say(uow, "Customers", CustomerCreditReleased(**about), event)


async def release_stock(uow, event, fact):
    row = await _taken_back(uow, StockReservation, fact.order_id)
    if row is not None:
        stock = await uow.session.get(Stock, row.sku, populate_existing=True)
        stock.available += row.quantity
        about = {"order_id": row.order_id, "sku": row.sku, "quantity": row.quantity}
        say(uow, "Inventory", StockReleased(**about), event)
