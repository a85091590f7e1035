"""A change that callers must not see, rehearsed: the table has `brand` and `model` where it had `name`.

The revision is in `migrations/rehearsals`. Here is the code that goes with it: one entity and one repository. The API,
the DTOs, the mapping and the service stay as they are, because they know a protocol and not a table:

    await upgrade(url, rehearsals=True)
    store = create_store(Settings(database_url=url), tables=SplitBase.metadata)
    store.dependency_overrides[product_repository] = split_product_repository

Section:
    13.2, "The table changes, the contract does not"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, MetaData, Numeric, String, case, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from lab_support.database import Base, TimestampMixin
from lab_support.repositories import KeysetPage, SqlAlchemyRepository
from lab_support.repositories.columns import column_names
from lab_support.services.store.api.dependencies import Session
from lab_support.services.store.entities import Product, exact_text
from lab_support.services.store.repository import ProductRepository, ProductSearch
from lab_support.services.store.repository.sql import conditions


def split(name: str) -> tuple[str, str | None]:
    """Take a name apart at its first blank; without a blank there is no model."""
    brand, blank, model = name.partition(" ")
    return brand, model if blank else None


class SplitBase(Base):
    """The rehearsal's tables, apart from those that the shop has."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class SplitProduct(TimestampMixin, SplitBase):
    """A product as the rehearsed table keeps it; `name` is put together, in Python and in SQL."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    description: Mapped[str | None] = mapped_column(String(500))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    stock: Mapped[int] = mapped_column(server_default=text("0"))
    is_available: Mapped[bool] = mapped_column(server_default=true())
    category: Mapped[str] = mapped_column(exact_text(50), index=True, server_default="general")
    supplier_cost: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    brand: Mapped[str] = mapped_column(exact_text(200), index=True)
    model: Mapped[str | None] = mapped_column(exact_text(200))

    @hybrid_property
    def name(self) -> str:
        """Put brand and model together."""
        return self.brand if self.model is None else f"{self.brand} {self.model}"

    @name.inplace.expression
    @classmethod
    def _name_in_sql(cls) -> ColumnElement[str]:
        return case((cls.model.is_(None), cls.brand), else_=cls.brand + " " + cls.model)


class SplitProductRepository:
    """The shop's products in the rehearsed table: a `ProductRepository` like any other."""

    def __init__(self, session: AsyncSession) -> None:
        self._rows = _Rows(session, SplitProduct)

    async def get_by_id(self, id_: int, /) -> Product | None:
        """Give the product with this id."""
        return _joined(await self._rows.get_by_id(id_))

    async def get_by_name(self, name: str, /) -> Product | None:
        """Give the oldest product with exactly this name, by the index on its brand."""
        brand, model = split(name)
        return _joined(
            await self._rows.first(
                SplitProduct.brand == brand, SplitProduct.model.is_not_distinct_from(model)
            )
        )

    async def get_all(self, *, skip: int = 0, limit: int = 100) -> Sequence[Product]:
        """Give at most `limit` products, after leaving out `skip`."""
        return _all_joined(await self._rows.get_all(skip=skip, limit=limit))

    async def find(self, search: ProductSearch, /, *, skip: int = 0, limit: int = 100) -> Sequence[Product]:
        """Give at most `limit` of the products meant, after leaving out `skip`."""
        return _all_joined(await self._rows.find(search, skip=skip, limit=limit))

    async def page(
        self, search: ProductSearch, /, *, after: int | None = None, limit: int = 100
    ) -> KeysetPage[Product, int]:
        """Give at most `limit` of the products meant, from those with an id above `after`."""
        page = await self._rows.page(search, after=after, limit=limit)
        return KeysetPage(_all_joined(page.items), page.next)

    async def create(self, product: Product, /) -> Product:
        """Write a new product, so that it has its id and defaults."""
        given = {name: getattr(product, name) for name in column_names(Product)}
        row = SplitProduct(
            **_taken_apart({name: value for name, value in given.items() if value is not None})
        )
        return _all_joined([await self._rows.create(row)])[0]

    async def update(self, id_: int, changes: Mapping[str, Any], /) -> Product | None:
        """Set the named columns and leave the others."""
        return _joined(await self._rows.update(id_, _taken_apart(changes)))

    async def delete(self, id_: int, /) -> bool:
        """Remove the product."""
        return await self._rows.delete(id_)


class _Rows(SqlAlchemyRepository[SplitProduct, int]):
    async def first(self, *where: ColumnElement[bool]) -> SplitProduct | None:
        return await self._first(*where)

    async def find(self, search: ProductSearch, skip: int, limit: int) -> Sequence[SplitProduct]:
        return await self._find(*conditions(search, SplitProduct), skip=skip, limit=limit)

    async def page(
        self, search: ProductSearch, after: int | None, limit: int
    ) -> KeysetPage[SplitProduct, int]:
        return await self._page(*conditions(search, SplitProduct), after=after, limit=limit)


def _taken_apart(columns: Mapping[str, Any]) -> dict[str, Any]:
    apart = dict(columns)
    if "name" in apart:
        apart["brand"], apart["model"] = split(apart.pop("name"))
    return apart


def _joined(row: SplitProduct | None) -> Product | None:
    return None if row is None else Product(**{name: getattr(row, name) for name in column_names(Product)})


def _all_joined(rows: Sequence[SplitProduct]) -> list[Product]:
    return [product for row in rows if (product := _joined(row)) is not None]


def split_product_repository(session: Session) -> ProductRepository:
    """Give a request the products of the rehearsed table."""
    return SplitProductRepository(session)
