from fastapi import FastAPI, HTTPException
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.shop import (
    Order,
    OrderItem,
    Payment,
    Product,
    User,
)


async def place(session: AsyncSession, user_id: int, product_id: int, quantity: int, reference: str) -> int:
    product = await session.get(Product, product_id)
    if product is None:
        raise HTTPException(404, "The shop refuses.")
    total = product.price * quantity
    order = Order(user_id=user_id, reference=reference)
    try:
        async with session.begin_nested():
            session.add(order)
    except IntegrityError:
        first = await session.scalar(select(Order.id).where(Order.reference == reference))
        if first is None:
            raise
        raise HTTPException(409, {"order_id": first}) from None
    taken = await session.execute(
        update(Product)
        .where(Product.id == product_id, Product.stock >= quantity)
        .values(stock=Product.stock - quantity)
    )
    if taken.rowcount == 0:
        raise HTTPException(409, "The shop refuses.")
    paid = await session.execute(
        update(User).where(User.id == user_id, User.balance >= total).values(balance=User.balance - total)
    )
    if paid.rowcount == 0:
        raise HTTPException(402, "The shop refuses.")
    item = OrderItem(order_id=order.id, product_id=product_id, quantity=quantity, unit_price=product.price)
    session.add_all([item, Payment(order_id=order.id, amount=total)])
    await session.commit()
    return order.id


def install_errors(app: FastAPI) -> None:
    pass
