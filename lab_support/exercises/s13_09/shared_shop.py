"""Two services on one table: what 13.9.1 cuts in two.

Section:
    13.9, "Two services on one database"
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import Numeric, String, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import WRITES, build_engine, create_tables, session_factory


class SharedBase(DeclarativeBase):
    """The one base of both services."""


class Product(SharedBase):
    """Catalogue's columns and Inventory's columns, in one row."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0))
    free: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True, slots=True)
class Databases:
    """The URLs that the deployment hands to both services."""

    catalogue: str
    inventory: str


class Stock(Protocol):
    """What Inventory offers to others; in production an HTTP client."""

    async def free(self, sku: str) -> int:
        """Return the free units of a product; 0 where there is no such product."""
        ...


class _OnOneDatabase:
    """A service that opens the shared database."""

    def __init__(self, url: str) -> None:
        self._engine = build_engine(url)
        self._sessions = session_factory(self._engine.execution_options(**WRITES))

    async def start(self) -> None:
        """Create the tables that are missing."""
        await create_tables(self._engine, SharedBase.metadata)

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


class SharedCatalogue(_OnOneDatabase):
    """Products as customers see them."""

    async def add(self, sku: str, name: str, price: Decimal) -> None:
        """Add a product."""
        async with self._sessions.begin() as session:
            session.add(Product(sku=sku, name=name, price=price))

    async def page(self, sku: str) -> dict[str, Any] | None:
        """Return what a product's page shows; None where there is no such product."""
        async with self._sessions() as session:
            product = await session.get(Product, sku)
        if product is None:
            return None
        return {"sku": sku, "name": product.name, "price": product.price, "free": product.free}


class SharedInventory(_OnOneDatabase):
    """Units on the shelf. A product that Catalogue has not added cannot be received here."""

    async def receive(self, sku: str, units: int) -> None:
        """Put units on the shelf."""
        async with self._sessions.begin() as session:
            await session.execute(update(Product).where(Product.sku == sku).values(free=Product.free + units))

    async def reserve(self, sku: str, units: int) -> bool:
        """Take units from the shelf; False where there are too few."""
        enough = (Product.sku == sku, Product.free >= units)
        async with self._sessions.begin() as session:
            taken = await session.execute(update(Product).where(*enough).values(free=Product.free - units))
            return bool(taken.rowcount)  # type: ignore[attr-defined]

    async def free(self, sku: str) -> int:
        """Return the free units of a product; 0 where there is no such product."""
        async with self._sessions() as session:
            return await session.scalar(select(Product.free).where(Product.sku == sku)) or 0
