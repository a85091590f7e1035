from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.shop import (
    DuplicateOrder,
    InsufficientBalance,
    Order,
    OrderItem,
    OutOfStock,
    Payment,
    Product,
    UnknownProduct,
    User,
)


async def place(session: AsyncSession, user_id: int, product_id: int, quantity: int, reference: str) -> int:
    product = await session.get(Product, product_id)
    if product is None:
        raise UnknownProduct(product_id)
    total = product.price * quantity
    order = Order(user_id=user_id, reference=reference)
    try:
        session.add(order)
        await session.flush()
    except IntegrityError:
        await session.rollback()
        first = await session.scalar(select(Order.id).where(Order.reference == reference))
        if first is None:
            raise
        raise DuplicateOrder(first) from None
    taken = await session.execute(
        update(Product)
        .where(Product.id == product_id, Product.stock >= quantity)
        .values(stock=Product.stock - quantity)
    )
    if taken.rowcount == 0:
        raise OutOfStock(product_id)
    paid = await session.execute(
        update(User).where(User.id == user_id, User.balance >= total).values(balance=User.balance - total)
    )
    if paid.rowcount == 0:
        raise InsufficientBalance(user_id)
    item = OrderItem(order_id=order.id, product_id=product_id, quantity=quantity, unit_price=product.price)
    session.add_all([item, Payment(order_id=order.id, amount=total)])
    await session.commit()
    return order.id


def install_errors(app: FastAPI) -> None:
    @app.exception_handler(UnknownProduct)
    async def unknown(_: Request, error: UnknownProduct) -> JSONResponse:
        return JSONResponse({"detail": "There is no such product."}, 404)

    @app.exception_handler(OutOfStock)
    async def out_of_stock(_: Request, error: OutOfStock) -> JSONResponse:
        return JSONResponse({"detail": "There are not so many pieces."}, 409)

    @app.exception_handler(InsufficientBalance)
    async def too_poor(_: Request, error: InsufficientBalance) -> JSONResponse:
        return JSONResponse({"detail": "Your balance is too low."}, 402)

    @app.exception_handler(DuplicateOrder)
    async def duplicate(_: Request, error: DuplicateOrder) -> JSONResponse:
        return JSONResponse({"detail": {"order_id": error.order_id}}, 409)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "Something went wrong here."}, 500)
