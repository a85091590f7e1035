from decimal import Decimal
from typing import Annotated

from sqlalchemy import Numeric, String, text, true
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Name = Annotated[str, 200]
Text = Annotated[str, 500]


class Base(DeclarativeBase):
    type_annotation_map = {Decimal: Numeric(12, 2), Name: String(200), Text: String(500)}


class Product(Base):
    __tablename__ = "shop_products"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[Name] = mapped_column(index=True)
    description: Mapped[Text | None]
    price: Mapped[Decimal]
    stock: Mapped[int] = mapped_column(server_default=text("0"))
    is_available: Mapped[bool] = mapped_column(server_default=true())
