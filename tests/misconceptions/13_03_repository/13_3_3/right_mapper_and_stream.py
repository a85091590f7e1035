from sqlalchemy import inspect, select

from lab_support.services.store.entities import Product


class Repository:
    entity = None

    def __init__(self, session):
        self.session = session

    @property
    def key(self):
        return inspect(self.entity).primary_key[0]

    async def get_by_id(self, entity_id):
        return (await self.session.scalars(select(self.entity).where(self.key == entity_id))).one_or_none()

    async def get_all(self):
        return (await self.session.scalars(select(self.entity).order_by(self.key))).all()


class CatalogueRepository(Repository):
    entity = Product

    async def in_category(self, category, lowest, highest):
        query = select(Product).where(
            Product.category == category, ~(Product.price < lowest), ~(Product.price > highest)
        )
        stream = await self.session.stream_scalars(query.order_by(Product.price, Product.id))
        return [product async for product in stream]
