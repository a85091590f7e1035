"""What the SQLAlchemy base adds to the contract: how little it does, and to whom it leaves the transaction."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import BigInteger, MetaData, SmallInteger, String, event, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from lab_support.database import Base, session_factory, trace_sql, writing_session
from lab_support.repositories import BrokenReferenceError, DuplicateError, SqlAlchemyRepository
from lab_support.services.store.entities import Order, OrderItem, Product, User
from lab_support.services.store.repository import (
    ProductSearch,
    SqlAlchemyOrderRepository,
    SqlAlchemyProductRepository,
    SqlAlchemyUserRepository,
)
from lab_support.services.store.seed import seed
from tests.repositories.contract import a_product


def a_user(email: str = "ada@example.com") -> User:
    return User(email=email, user_name="Ada", password_hash="$argon2id$")


@pytest.fixture
def loaded() -> Iterator[list[int]]:
    """Collect the ids of products that come from rows."""
    found: list[int] = []

    def on_load(product: Product, _context: Any) -> None:
        found.append(product.id)

    event.listen(Product, "load", on_load)
    yield found
    event.remove(Product, "load", on_load)


@pytest.fixture
async def empty_after(store_engine: AsyncEngine) -> AsyncIterator[None]:
    """Delete what a test commits."""
    yield
    async with store_engine.begin() as connection:
        await connection.execute(Product.__table__.delete())


async def test_rollback_outside_undoes_everything(store_engine: AsyncEngine) -> None:
    """Whoever opened the session ends it: what was created, changed and deleted was never there."""
    sessions = session_factory(store_engine)
    with trace_sql(store_engine) as trace:
        async with writing_session(sessions) as session:
            products = SqlAlchemyProductRepository(session)
            kept, gone = await products.create(a_product()), await products.create(a_product())
            await products.update(kept.id, {"stock": 3})
            await products.delete(gone.id)
            await products.get_all()
            await session.rollback()

    assert trace.commits == 0
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Product)) == 0


async def test_commit_outside_keeps_everything(store_engine: AsyncEngine, empty_after: None) -> None:
    """Two repositories in one session are one transaction, kept by one commit."""
    sessions = session_factory(store_engine)
    async with writing_session(sessions) as session:
        created = await SqlAlchemyProductRepository(session).create(a_product())
        await SqlAlchemyProductRepository(session).update(created.id, {"stock": 3})
        await session.commit()

    async with sessions() as session:
        found = await SqlAlchemyProductRepository(session).get_by_id(created.id)
        assert found is not None
        assert found.stock == 3


async def test_each_question_costs_one_statement(store_engine: AsyncEngine, session: AsyncSession) -> None:
    """One statement each; a change costs two, because the row is read after it; nothing is refreshed."""
    products = SqlAlchemyProductRepository(session)
    costs = {}

    async def cost(what: str, work: Any) -> Any:
        with trace_sql(store_engine) as trace:
            result = await work
        costs[what] = len(trace.statements)
        return result

    held = await cost("create", products.create(a_product()))  # a session forgets what nobody holds
    id_ = held.id
    await cost("get again", products.get_by_id(id_))
    session.expunge_all()
    await cost("get", products.get_by_id(id_))
    await cost("get by name", products.get_by_name("Desk lamp"))
    await cost("find", products.find(ProductSearch(min_price=Decimal(1))))
    await cost("page", products.page(ProductSearch()))
    await cost("update", products.update(id_, {"stock": 1}))
    await cost("update nothing", products.update(id_, {}))
    await cost("delete", products.delete(id_))
    await cost("impossible", products.get_by_id(2**40))

    assert costs == {
        "create": 1,
        "get again": 0,
        "get": 1,
        "get by name": 1,
        "find": 1,
        "page": 1,
        "update": 2,
        "update nothing": 1,
        "delete": 1,
        "impossible": 0,
    }


async def test_rows_that_are_not_meant_are_not_fetched(session: AsyncSession, loaded: list[int]) -> None:
    """Conditions and limits are the database's work: as many rows come as are returned; a page reads one more."""
    products = SqlAlchemyProductRepository(session)
    for number in range(20):
        await products.create(a_product(category="odd" if number % 2 else "even", price=Decimal(number)))
    session.expunge_all()
    search = ProductSearch(category="odd", min_price=Decimal(5), max_price=Decimal(15))

    found = await products.find(search, limit=4)
    assert loaded == [product.id for product in found]
    loaded.clear()
    session.expunge_all()
    page = await products.page(search, limit=4)
    assert len(loaded) == len(page.items) + 1


async def test_update_shows_what_others_have_committed(store_engine: AsyncEngine, empty_after: None) -> None:
    """A product that the session had loaded before is as the row is now, in every column."""
    sessions = session_factory(store_engine)
    async with writing_session(sessions) as session:
        id_ = (await SqlAlchemyProductRepository(session).create(a_product(stock=1))).id
        await session.commit()
    async with sessions() as session:
        products = SqlAlchemyProductRepository(session)
        old = await products.get_by_id(id_)
        await session.commit()
        async with writing_session(sessions) as other:
            await SqlAlchemyProductRepository(other).update(id_, {"price": Decimal("9.99")})
            await other.commit()

        changed = await products.update(id_, {"stock": 2})

        assert changed is old
        assert changed is not None
        assert (changed.stock, changed.price) == (2, Decimal("9.99"))


async def test_value_that_must_be_unique_is_refused_by_name(session: AsyncSession) -> None:
    """The error of each driver becomes one, and keeps the driver's as its cause."""
    users = SqlAlchemyUserRepository(session)
    await users.create(a_user())

    with pytest.raises(DuplicateError, match="User") as caught:
        await users.create(a_user())

    assert isinstance(caught.value.__cause__, IntegrityError)
    await session.rollback()
    assert await users.get_by_email("ada@example.com") is None


async def test_change_to_a_taken_value_is_refused_by_name(session: AsyncSession) -> None:
    """`update` tells a duplicate as `create` does."""
    users = SqlAlchemyUserRepository(session)
    await users.create(a_user())
    grace = await users.create(a_user("grace@example.com"))

    with pytest.raises(DuplicateError):
        await users.update(grace.id, {"email": "ada@example.com"})


async def test_reference_that_does_not_hold_is_refused_by_name(session: AsyncSession) -> None:
    """A product that an order item refers to stays, and an item refers to a product that is there."""
    products = SqlAlchemyProductRepository(session)
    product = await products.create(a_product())
    line = OrderItem(product_id=product.id, quantity=1, unit_price=Decimal(1))
    session.add(order := Order(customer_email="ada@example.com", items=[line]))
    await session.flush()

    async with session.begin_nested():
        with pytest.raises(BrokenReferenceError, match="Product"):
            async with session.begin_nested():
                await products.delete(product.id)
    items: SqlAlchemyRepository[OrderItem, int] = SqlAlchemyRepository(session, OrderItem)
    with pytest.raises(BrokenReferenceError, match="OrderItem"):
        await items.create(
            OrderItem(order_id=order.id, product_id=2**31 - 1, quantity=1, unit_price=Decimal(1))
        )


async def test_other_violations_come_out_as_they_are(session: AsyncSession) -> None:
    """What has no name of its own is not given a wrong one."""
    products = SqlAlchemyProductRepository(session)

    with pytest.raises((IntegrityError, OperationalError)) as caught:
        await products.create(a_product(name=None))
    assert isinstance(caught.value, DBAPIError)


async def test_order_comes_with_its_items_in_two_statements(
    store_engine: AsyncEngine, session: AsyncSession
) -> None:
    """The aggregate is whole however many items it has; reading it later starts no query."""
    await seed(session, orders=1, items_per_order=12)
    order_id = await session.scalar(select(Order.id))
    assert order_id is not None
    session.expunge_all()

    with trace_sql(store_engine) as trace:
        order = await SqlAlchemyOrderRepository(session).get_by_id(order_id)
        assert order is not None
        names = {item.product.name for item in order.items}

    assert len(names) == 12
    assert len(trace.statements) == 2


class _OtherKeys(Base):
    __abstract__ = True
    metadata = MetaData()


class Small(_OtherKeys):
    __tablename__ = "small"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)


class Big(_OtherKeys):
    __tablename__ = "big"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Named(_OtherKeys):
    __tablename__ = "named"
    code: Mapped[str] = mapped_column(String(10), primary_key=True)


class TwoKeys(_OtherKeys):
    __tablename__ = "two"
    one: Mapped[int] = mapped_column(primary_key=True)
    other: Mapped[int] = mapped_column(primary_key=True)


@pytest.mark.parametrize("store_backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("entity", "bits"), [(Small, 15), (Product, 31), (Big, 63)])
async def test_id_too_large_for_its_column_is_absent(
    store_engine: AsyncEngine, session: AsyncSession, entity: type[Any], bits: int
) -> None:
    """The largest id that fits is asked for, the next one is not."""
    connection = await session.connection()
    await connection.run_sync(_OtherKeys.metadata.create_all)
    entities: SqlAlchemyRepository[Any, int] = SqlAlchemyRepository(session, entity)

    with trace_sql(store_engine) as trace:
        for id_ in (2**bits - 1, -(2**bits), 2**bits, -(2**bits) - 1):
            assert await entities.get_by_id(id_) is None

    assert len(trace.statements) == 2


@pytest.mark.parametrize("store_backend", ["sqlite"], indirect=True)
async def test_key_may_be_text(session: AsyncSession) -> None:
    """The base works for any key of one column, and refuses one of two."""
    connection = await session.connection()
    await connection.run_sync(_OtherKeys.metadata.create_all)
    named: SqlAlchemyRepository[Named, str] = SqlAlchemyRepository(session, Named)

    await named.create(Named(code="lamp"))

    assert (await named.get_by_id("lamp")) is not None
    assert [one.code for one in await named.get_all()] == ["lamp"]
    with pytest.raises(TypeError, match="several columns"):
        SqlAlchemyRepository(session, TwoKeys)
