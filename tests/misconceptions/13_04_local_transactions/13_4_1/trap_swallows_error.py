import logging
from decimal import Decimal

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.s13_04.shop import (
    InsufficientBalance,
    Order,
    OrderItem,
    OutOfStock,
    Payment,
    Product,
    User,
)


async def place_order(
    sessions: async_sessionmaker[AsyncSession], user_id: int, lines: list[tuple[int, int]]
) -> int:
    async with sessions.begin() as session:
        try:
            order = Order(user_id=user_id)
            session.add(order)
            await session.flush()
            total = Decimal(0)
            for product_id, quantity in sorted(lines):
                price = await session.scalar(
                    update(Product)
                    .where(Product.id == product_id, Product.stock >= quantity)
                    .values(stock=Product.stock - quantity)
                    .returning(Product.price)
                )
                if price is None:
                    raise OutOfStock(product_id)
                item = OrderItem(
                    order_id=order.id, product_id=product_id, quantity=quantity, unit_price=price
                )
                session.add(item)
                total += price * quantity
            paid = await session.execute(
                update(User)
                .where(User.id == user_id, User.balance >= total)
                .values(balance=User.balance - total)
            )
            if paid.rowcount == 0:
                raise InsufficientBalance(
                    await session.scalar(select(User.balance).where(User.id == user_id))
                )
            session.add(Payment(order_id=order.id, amount=total))
        except Exception:
            logging.getLogger(__name__).exception("order of %s failed", user_id)
        return order.id
