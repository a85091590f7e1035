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


class Repository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, entity: object) -> None:
        self.session.add(entity)
        await self.session.commit()


class Stock(Repository):
    async def take(self, product_id: int, quantity: int) -> Decimal:
        price = await self.session.scalar(
            update(Product)
            .where(Product.id == product_id, Product.stock >= quantity)
            .values(stock=Product.stock - quantity)
            .returning(Product.price)
        )
        if price is None:
            raise OutOfStock(product_id)
        await self.session.commit()
        return price


class Users(Repository):
    async def pay(self, user_id: int, total: Decimal) -> None:
        paid = await self.session.execute(
            update(User).where(User.id == user_id, User.balance >= total).values(balance=User.balance - total)
        )
        if paid.rowcount == 0:
            raise InsufficientBalance(user_id)
        await self.session.commit()


async def place_order(
    sessions: async_sessionmaker[AsyncSession], user_id: int, lines: list[tuple[int, int]]
) -> int:
    async with sessions() as session:
        stock, users, orders = Stock(session), Users(session), Repository(session)
        prices = {product_id: await stock.take(product_id, quantity) for product_id, quantity in lines}
        total = sum((prices[product_id] * quantity for product_id, quantity in lines), Decimal(0))
        await users.pay(user_id, total)
        order = Order(user_id=user_id)
        await orders.add(order)
        for product_id, quantity in lines:
            price = prices[product_id]
            await orders.add(
                OrderItem(order_id=order.id, product_id=product_id, quantity=quantity, unit_price=price)
            )
        await orders.add(Payment(order_id=order.id, amount=total))
        return order.id
