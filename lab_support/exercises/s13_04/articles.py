"""The table that 13.4.5 imports into; what it refuses, only the database knows.

Section:
    13.4, "Savepoints: undo a part"
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import CheckConstraint, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class ImportBase(DeclarativeBase):
    """What the table of the import has in its base."""


class Article(ImportBase):
    """A row of the import: no two have the same `sku`, no price is below 0, and none is without a name."""

    __tablename__ = "articles"
    __table_args__ = (CheckConstraint("price >= 0", name="price_not_negative"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
