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
    ShopError,
    UnknownProduct,
    User,
)

STATUS = {UnknownProduct: 404, OutOfStock: 409, InsufficientBalance: 402, DuplicateOrder: 409}


async def place(session: AsyncSession, user_id: int, product_id: int, quantity: int, reference: str) -> int:
    product = await session.get(Product, product_id)
    if product is None:
        raise UnknownProduct(product_id)
    total = product.price * quantity
    order = Order(user_id=user_id, reference=reference)
    try:
        async with session.begin_nested():
            session.add(order)
    except IntegrityError:
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
    async def refuse(_: Request, error: ShopError) -> JSONResponse:
        body = {"detail": f"The shop refuses: {type(error).__name__}."}
        if isinstance(error, DuplicateOrder):
            body["order_id"] = error.order_id
        return JSONResponse(body, STATUS[type(error)])

    app.add_exception_handler(ShopError, refuse)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 500)
