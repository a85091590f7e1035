from lab_support.database import WRITES, build_engine, create_tables, session_factory
from decimal import Decimal
from typing import Any

from sqlalchemy import Numeric, String, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class _CatalogueBase(DeclarativeBase):
    pass


class _Product(_CatalogueBase):
    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))


class _InventoryBase(DeclarativeBase):
    pass


class _StockItem(_InventoryBase):
    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    free: Mapped[int] = mapped_column(default=0)


class Catalogue:
    def __init__(self, databases, stock) -> None:
        self._engine = build_engine(databases.catalogue)
        self._sessions = session_factory(self._engine.execution_options(**WRITES))
        self._stock = stock

    async def start(self) -> None:
        await create_tables(self._engine, _CatalogueBase.metadata)

    async def close(self) -> None:
        await self._engine.dispose()

    async def add(self, sku: str, name: str, price: Decimal) -> None:
        async with self._sessions.begin() as session:
            session.add(_Product(sku=sku, name=name, price=price))

    async def page(self, sku: str) -> dict[str, Any] | None:
        async with self._sessions() as session:
            product = await session.get(_Product, sku)
        if product is None:
            return None
        free = await self._stock.free(sku)  # after the session: who waits for others holds no connection
        return {"sku": sku, "name": product.name, "price": product.price, "free": free}


class Inventory:
    def __init__(self, databases) -> None:
        self._engine = build_engine(databases.inventory)
        self._sessions = session_factory(self._engine.execution_options(**WRITES))

    async def start(self) -> None:
        await create_tables(self._engine, _InventoryBase.metadata)

    async def close(self) -> None:
        await self._engine.dispose()

    async def receive(self, sku: str, units: int) -> None:
        async with self._sessions.begin() as session:
            more = update(_StockItem).where(_StockItem.sku == sku).values(free=_StockItem.free + units)
            if not (await session.execute(more)).rowcount:
                session.add(_StockItem(sku=sku, free=units))

    async def reserve(self, sku: str, units: int) -> bool:
        enough = (_StockItem.sku == sku, _StockItem.free >= units)
        async with self._sessions.begin() as session:
            less = update(_StockItem).where(*enough).values(free=_StockItem.free - units)
            return (await session.execute(less)).rowcount == 1

    async def free(self, sku: str) -> int:
        async with self._sessions() as session:
            return await session.scalar(select(_StockItem.free).where(_StockItem.sku == sku)) or 0
