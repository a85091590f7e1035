from decimal import Decimal

from sqlalchemy import select
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
    async with sessions() as session:
        wanted = [product_id for product_id, _ in lines]
        locked = select(Product).where(Product.id.in_(wanted)).order_by(Product.id).with_for_update()
        products = {product.id: product for product in await session.scalars(locked)}
        user = await session.get_one(User, user_id, with_for_update=True)
        order = Order(user_id=user_id)
        session.add(order)
        await session.flush()
        total = Decimal(0)
        for product_id, quantity in lines:
            product = products[product_id]
            if product.stock < quantity:
                raise OutOfStock(product_id)
            product.stock -= quantity
            total += product.price * quantity
            session.add(
                OrderItem(
                    order_id=order.id, product_id=product_id, quantity=quantity, unit_price=product.price
                )
            )
        if user.balance < total:
            raise InsufficientBalance(user_id)
        user.balance -= total
        session.add(Payment(order_id=order.id, amount=total))
        await session.commit()
        return order.id
