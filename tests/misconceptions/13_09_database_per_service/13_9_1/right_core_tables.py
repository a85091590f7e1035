from sqlalchemy import Column, Integer, MetaData, Numeric, String, Table, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from lab_support.database import build_engine

catalogue_tables, inventory_tables = MetaData(), MetaData()
pages = Table(
    "pages",
    catalogue_tables,
    Column("sku", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("price", Numeric(12, 2), nullable=False),
)
shelf = Table(
    "shelf",
    inventory_tables,
    Column("sku", String(40), primary_key=True),
    Column("free", Integer, nullable=False),
)


class Service:
    tables: MetaData

    async def start(self):
        async with self.engine.begin() as connection:
            await connection.run_sync(self.tables.create_all)

    async def close(self):
        await self.engine.dispose()


class Catalogue(Service):
    tables = catalogue_tables

    def __init__(self, databases, stock):
        self.engine, self.stock = build_engine(databases.catalogue), stock

    async def add(self, sku, name, price):
        async with self.engine.begin() as connection:
            await connection.execute(insert(pages).values(sku=sku, name=name, price=price))

    async def page(self, sku):
        async with self.engine.connect() as connection:
            found = (
                (await connection.execute(select(pages).where(pages.c.sku == sku))).mappings().one_or_none()
            )
        return None if found is None else {**found, "free": await self.stock.free(sku)}


class Inventory(Service):
    tables = inventory_tables

    def __init__(self, databases):
        self.engine = build_engine(databases.inventory)

    async def receive(self, sku, units):
        added = upsert(shelf).values(sku=sku, free=units)
        added = added.on_conflict_do_update(
            index_elements=[shelf.c.sku], set_={"free": shelf.c.free + added.excluded.free}
        )
        async with self.engine.begin() as connection:
            await connection.execute(added)

    async def reserve(self, sku, units):
        enough = (shelf.c.sku == sku, shelf.c.free >= units)
        async with self.engine.begin() as connection:
            taken = await connection.execute(update(shelf).where(*enough).values(free=shelf.c.free - units))
        return taken.rowcount == 1

    async def free(self, sku):
        async with self.engine.connect() as connection:
            return await connection.scalar(select(shelf.c.free).where(shelf.c.sku == sku)) or 0
