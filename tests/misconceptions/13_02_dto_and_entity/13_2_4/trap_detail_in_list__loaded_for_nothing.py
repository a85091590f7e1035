from decimal import ROUND_HALF_UP, Decimal

from pydantic import BaseModel, ConfigDict, Field, computed_field
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from lab_support.exercises.s13_02.catalogue import Product


class Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PricedSummary(Shown):
    id: int = Field(serialization_alias="product_id")
    name: str = Field(serialization_alias="product_name")
    price: Decimal = Field(exclude=True)
    tax_percent: Decimal = Field(exclude=True)

    @computed_field
    @property
    def price_with_tax(self) -> Decimal:
        exact = self.price * (100 + self.tax_percent) / 100
        return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


class ReviewView(Shown):
    stars: int
    comment: str


class PricedDetail(PricedSummary):
    description: str | None
    price: Decimal
    tax_percent: Decimal
    reviews: list[ReviewView]


async def list_priced(session, limit):
    query = select(Product).order_by(Product.id).limit(limit).options(selectinload(Product.reviews))
    return [PricedSummary.model_validate(product) for product in await session.scalars(query)]


async def get_priced(session, product_id):
    query = select(Product).where(Product.id == product_id).options(selectinload(Product.reviews))
    product = await session.scalar(query)
    return None if product is None else PricedDetail.model_validate(product)
