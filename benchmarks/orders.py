"""What a placed order costs beside its statements sent by hand through one ORM session."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from sqlalchemy import func, insert, select, update

from benchmarks.ratios import Ratio, compare
from lab_support.database import build_engine, create_tables, session_factory, writing_session
from lab_support.services.store.entities import Order, OrderItem, Payment, Product, StoreBase, User
from lab_support.services.store.ordering import OrderService

PRICE = Decimal("0.10")


async def place_order_beside_its_statements() -> list[Ratio]:
    """Compare `place_order` with the same statements in a bare session on SQLite, for one line and for ten."""
    with tempfile.TemporaryDirectory() as folder:
        engine = build_engine(f"sqlite:///{Path(folder) / 'bench.db'}")
        sessions = session_factory(engine)
        await create_tables(engine, StoreBase.metadata)
        async with engine.begin() as connection:
            shelf = {"price": PRICE, "stock": 2**31 - 1}
            await connection.execute(insert(Product), [{"name": f"p{n}", **shelf} for n in range(10)])
            rich = {"email": "ada@example.com", "user_name": "Ada", "password_hash": "!"}
            await connection.execute(insert(User), [rich | {"balance": Decimal(10**9)}])
        service = OrderService(sessions)

        async def by_hand(ids: range) -> None:
            async with writing_session(sessions) as session:
                for product_id in ids:
                    taken = update(Product).where(
                        Product.id == product_id, Product.stock >= 2, Product.is_available.is_(True)
                    )
                    done = await session.execute(
                        taken.values(stock=Product.stock - 2),
                        execution_options={"synchronize_session": False},
                    )
                    assert done.rowcount == 1  # type: ignore[attr-defined]
                columns = select(Product.id, Product.name, Product.price)
                products = (await session.execute(columns.where(Product.id.in_(ids)))).all()
                total = sum((2 * product.price for product in products), Decimal())
                paid = update(User).where(User.id == 1, User.balance >= total)
                await session.execute(
                    paid.values(balance=func.round(User.balance - total, 2)),
                    execution_options={"synchronize_session": False},
                )
                email = await session.scalar(select(User.email).where(User.id == 1))
                order = Order(user_id=1, customer_email=email or "", payment=Payment(amount=total))
                session.add(order)
                await session.flush()
                items = [
                    {"order_id": order.id, "product_id": one.id, "quantity": 2, "unit_price": one.price}
                    for one in products
                ]
                await session.execute(insert(OrderItem).values(items))
                await session.commit()

        async def ratio_for(lines: int) -> Ratio:
            ids = range(1, lines + 1)
            wanted = [(product_id, 2) for product_id in ids]
            what = f"place_order : its statements in a bare session, {lines} line(s)"
            return await compare(
                what, lambda: service.place_order(1, wanted), lambda: by_hand(ids), limit=1.3, each=20
            )

        try:
            return [await ratio_for(lines) for lines in (1, 10)]
        finally:
            await engine.dispose()
