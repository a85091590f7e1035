from decimal import Decimal

from sqlalchemy import update
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


class Changed(Exception):
    pass


async def place_order(
    sessions: async_sessionmaker[AsyncSession], user_id: int, lines: list[tuple[int, int]]
) -> int:
    while True:
        try:
            async with sessions.begin() as session:
                return await once(session, user_id, lines)
        except Changed:
            continue


async def once(session: AsyncSession, user_id: int, lines: list[tuple[int, int]]) -> int:
    order = Order(user_id=user_id)
    session.add(order)
    await session.flush()
    total = Decimal(0)
    for product_id, quantity in lines:
        product = await session.get_one(Product, product_id)
        if product.stock < quantity:
            raise OutOfStock(product_id)
        await change(session, product, stock=product.stock - quantity)
        total += product.price * quantity
        item = OrderItem(
            order_id=order.id, product_id=product_id, quantity=quantity, unit_price=product.price
        )
        session.add(item)
    user = await session.get_one(User, user_id)
    if user.balance < total:
        raise InsufficientBalance(user_id)
    await change(session, user, balance=user.balance - total)
    session.add(Payment(order_id=order.id, amount=total))
    return order.id


async def change(session: AsyncSession, entity: Product | User, **values: object) -> None:
    kind = type(entity)
    changed = await session.execute(
        update(kind)
        .where(kind.id == entity.id, kind.version == entity.version)
        .values(version=kind.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount == 0:
        raise Changed
