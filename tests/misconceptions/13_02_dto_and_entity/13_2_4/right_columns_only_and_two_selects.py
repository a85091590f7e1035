from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import BaseModel, PlainSerializer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_02.catalogue import Product, Review

Money = Annotated[Decimal, PlainSerializer("{:.2f}".format, return_type=str)]


def with_tax(price: Decimal, percent: Decimal) -> Decimal:
    return (price + price * percent / 100).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


class PricedSummary(BaseModel):
    product_id: int
    product_name: str
    price_with_tax: Money


class ReviewView(BaseModel):
    stars: int
    comment: str


class PricedDetail(PricedSummary):
    description: str | None
    price: Money
    tax_percent: Money
    reviews: list[ReviewView]


async def list_priced(session: AsyncSession, limit: int) -> list[PricedSummary]:
    query = select(Product.id, Product.name, Product.price, Product.tax_percent)
    rows = await session.execute(query.order_by(Product.id).limit(limit))
    return [
        PricedSummary(product_id=one.id, product_name=one.name, price_with_tax=with_tax(*one[2:]))
        for one in rows
    ]


async def get_priced(session: AsyncSession, product_id: int) -> PricedDetail | None:
    product = await session.get(Product, product_id)
    if product is None:
        return None
    reviews = select(Review).where(Review.product_id == product_id).order_by(Review.id)
    return PricedDetail(
        product_id=product.id,
        product_name=product.name,
        price_with_tax=with_tax(product.price, product.tax_percent),
        description=product.description,
        price=product.price,
        tax_percent=product.tax_percent,
        reviews=[ReviewView(stars=one.stars, comment=one.comment) for one in await session.scalars(reviews)],
    )
