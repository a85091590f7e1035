from lab_support.database import WRITES, build_engine, create_tables, session_factory
from lab_support.pools import PoolSettings
from decimal import Decimal
from typing import Any

from sqlalchemy import Numeric, String, select, text, update
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
    __tablename__ = "stock_items"

    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    free: Mapped[int] = mapped_column(default=0)


class Catalogue:
    def __init__(self, databases, stock) -> None:
        self._engine = build_engine(databases.catalogue, pool=PoolSettings(size=1, max_overflow=0))
        self._sessions = session_factory(self._engine.execution_options(**WRITES))
        self._other = databases.inventory.partition("///")[2]

    async def start(self) -> None:
        await create_tables(self._engine, _CatalogueBase.metadata)
        async with self._sessions() as session:  # the one connection of the pool keeps it
            await session.execute(text("ATTACH DATABASE :file AS inventory"), {"file": self._other})

    async def close(self) -> None:
        await self._engine.dispose()

    async def add(self, sku: str, name: str, price: Decimal) -> None:
        async with self._sessions.begin() as session:
            session.add(_Product(sku=sku, name=name, price=price))

    async def page(self, sku: str) -> dict[str, Any] | None:
        async with self._sessions() as session:
            query = text(
                "SELECT p.name, p.price, s.free FROM products p LEFT JOIN inventory.stock_items s USING (sku) WHERE p.sku = :sku"
            )
            product = (await session.execute(query, {"sku": sku})).one_or_none()
        if product is None:
            return None
        return {
            "sku": sku,
            "name": product.name,
            "price": Decimal(str(product.price)).quantize(Decimal("0.01")),
            "free": product.free or 0,
        }


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
