"""What the ORM costs beside Core, and HTTP in process beside the service under it."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

from sqlalchemy import insert, select

from benchmarks.ratios import Ratio, compare
from lab_support.database import build_engine, create_tables, session_factory, writing_session
from lab_support.services import create_app, running_app
from lab_support.services.store.entities import Product, StoreBase
from lab_support.services.store.mapping import product_detail
from lab_support.services.store.repository import SqlAlchemyProductRepository
from lab_support.services.store.service import ProductService
from lab_support.settings import Settings

products = Product.__table__
COLUMNS = {"name": "lamp", "price": Decimal("9.90"), "stock": 3, "is_available": True}


async def orm_beside_core() -> list[Ratio]:
    """Compare the ORM with Core on SQLite: one row read, one row written, a list of a thousand."""
    with tempfile.TemporaryDirectory() as folder:
        engine = build_engine(f"sqlite:///{Path(folder) / 'bench.db'}")
        sessions = session_factory(engine)
        await create_tables(engine, StoreBase.metadata)
        async with engine.begin() as connection:
            await connection.execute(insert(products), [COLUMNS] * 1000)

        async def orm_get() -> None:
            async with sessions() as session:
                await session.get(Product, 500)

        async def core_get() -> None:
            async with engine.connect() as connection:
                (await connection.execute(select(products).where(products.c.id == 500))).one()

        async def orm_insert() -> None:
            async with writing_session(sessions) as session:
                session.add(Product(**COLUMNS))
                await session.commit()

        async def core_insert() -> None:
            async with engine.execution_options(sqlite_begin="IMMEDIATE").begin() as connection:
                await connection.execute(insert(products).values(**COLUMNS))

        async def orm_list() -> None:
            async with sessions() as session:
                (await session.scalars(select(Product).order_by(Product.id).limit(1000))).all()

        async def core_list() -> None:
            async with engine.connect() as connection:
                (await connection.execute(select(products).order_by(products.c.id).limit(1000))).all()

        try:
            return [
                await compare("ORM : Core, get one row", orm_get, core_get, limit=1.5, each=50),
                await compare("ORM : Core, insert one row", orm_insert, core_insert, limit=1.5, each=50),
                await compare("ORM : Core, list 1,000 rows", orm_list, core_list, limit=None, each=3),
            ]
        finally:
            await engine.dispose()


async def http_beside_service() -> list[Ratio]:
    """Compare GET of one product in process with the service call and its DTO."""
    async with AsyncExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        app = create_app(Settings(data=Path(folder)), only=("store",))
        client = await opened.enter_async_context(running_app(app=app))
        created = await client.post("/store/products", json={"product_name": "lamp", "price": "9.90"})
        path = created.headers["Location"]
        number = created.json()["product_id"]
        engine = build_engine(f"sqlite:///{Path(folder) / 'store.db'}")
        opened.push_async_callback(engine.dispose)
        sessions = session_factory(engine)

        async def over_http() -> None:
            (await client.get(path)).raise_for_status()

        async def by_service() -> None:
            async with sessions() as session:
                service = ProductService(SqlAlchemyProductRepository(session), session.commit)
                product_detail(await service.get(number)).model_dump_json()

        return [
            await compare(
                "GET in process : service call with its DTO", over_http, by_service, limit=2.5, each=50
            )
        ]
