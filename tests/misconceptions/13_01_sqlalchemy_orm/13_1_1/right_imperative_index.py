from decimal import Decimal

from sqlalchemy import Index, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (Index("by_name", "name", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    description: Mapped[str] = mapped_column(String(500), nullable=True)
    price: Mapped[Decimal] = mapped_column(Numeric(precision=12, scale=2, asdecimal=True))
    stock: Mapped[int] = mapped_column(server_default="0", default=0)
    is_available: Mapped[bool] = mapped_column(server_default="1", default=True)
