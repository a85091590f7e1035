"""Answers that nobody stored: other wrong ones are caught in words, other right ones pass, none breaks the judge."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from fastapi import APIRouter, Request
from sqlalchemy import Index, Numeric, String, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, subqueryload

from lab_support.exercises import State, Verdict, find, judge
from lab_support.services.store.entities import Order, Product


def judged(exercise_id: str, *objects: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)))


@pytest.mark.parametrize("nonsense", [None, 7, "text", [], object, lambda: None, type, print])
@pytest.mark.parametrize("exercise_id", [f"13.1.{number}" for number in range(1, 7)])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, and does not pass."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message


def product_class(**changes: Any) -> type:
    class Base(DeclarativeBase):
        pass

    columns: dict[str, Any] = {
        "id": (int, mapped_column(primary_key=True)),
        "name": (str, mapped_column(String(200), index=True)),
        "description": (str | None, mapped_column(String(500))),
        "price": (Decimal, mapped_column(Numeric(12, 2))),
        "stock": (int, mapped_column(server_default=text("0"))),
        "is_available": (bool, mapped_column(server_default=text("true"))),
    } | changes
    body = {name: column for name, (_, column) in columns.items()}
    hints = {name: Mapped[kind] for name, (kind, _) in columns.items()}
    return type("Product", (Base,), {"__tablename__": "order", "__annotations__": hints, **body})


def test_table_named_like_a_keyword_passes():
    """The judge quotes the student's table name."""
    assert judged("13.1.1", product_class()).passed


def test_column_that_others_cannot_fill_is_told():
    """A further NOT NULL column without a default breaks the other program's INSERT."""
    verdict = judged("13.1.1", product_class(colour=(str, mapped_column(String(9)))))

    assert not verdict.passed
    assert any("do not take" in case.message for case in verdict.cases)


def test_prices_read_back_as_floats_fail():
    """Numeric(asdecimal=False) is the right column and the wrong Python type."""
    verdict = judged("13.1.1", product_class(price=(float, mapped_column(Numeric(12, 2, asdecimal=False)))))

    assert verdict.state is State.FAILED
    assert "sum" in verdict.decisive.message


def test_index_on_something_else_fails():
    """An index that does not begin with the name does not serve a search by name."""
    other = product_class(name=(str, mapped_column(String(200))))
    Index("ix_other", other.stock, other.name)

    assert [cause.name for cause in judged("13.1.1", other).causes] == ["missing-index"]


def test_session_that_commits_only_what_succeeded_passes():
    """Committing after the endpoint, and not on an error, is right."""

    async def get_session(request: Request):
        async with request.app.state.sessions() as session:
            yield session
            await session.commit()

    assert judged(
        "13.1.2", lambda engine: async_sessionmaker(engine, expire_on_commit=False), get_session
    ).passed


def test_factory_without_a_pool_of_its_own_passes_as_a_class():
    """A factory may be anything callable that opens sessions on the engine."""

    class Sessions:
        def __init__(self, engine):
            self.engine = engine

        def __call__(self):
            return AsyncSession(self.engine, expire_on_commit=False)

    async def get_session(request: Request):
        session = request.app.state.sessions()
        try:
            yield session
        finally:
            await session.close()

    assert judged("13.1.2", Sessions, get_session).passed


def test_router_without_routes_fails_in_words():
    """An empty router answers 404, which is not 201."""
    verdict = judged("13.1.3", APIRouter(prefix="/products"))

    assert verdict.state is State.FAILED
    assert "201" in verdict.decisive.message


def test_router_with_other_json_names_fails_in_words():
    """A JSON without product_id is not the form that was asked for."""
    router = APIRouter(prefix="/products")

    @router.post("", status_code=201)
    async def create(body: dict):
        return {"id": 1, **body}

    verdict = judged("13.1.3", router)

    assert verdict.state is State.FAILED
    assert "form" in verdict.decisive.message


def test_subqueryload_passes():
    """One statement for the orders and one for all their items, by another road."""

    async def orders_of(session, email):
        query = select(Order).where(Order.customer_email == email).options(subqueryload(Order.items))
        return (await session.scalars(query)).all()

    assert judged("13.1.4", orders_of).passed


def test_orders_of_everybody_fail():
    """Forgetting the customer returns other people's orders."""

    async def orders_of(session, email):
        return (await session.scalars(select(Order).options(subqueryload(Order.items)))).all()

    verdict = judged("13.1.4", orders_of)

    assert verdict.state is State.FAILED
    assert "customer's" in verdict.decisive.message


def test_orders_cut_off_fail():
    """A limit that nobody asked for loses orders."""

    async def orders_of(session, email):
        query = (
            select(Order).where(Order.customer_email == email).options(subqueryload(Order.items)).limit(50)
        )
        return (await session.scalars(query)).all()

    assert judged("13.1.4", orders_of).state is State.FAILED


def test_search_by_position_passes():
    """instr() knows no wildcards and binds its term."""

    async def search_products(session, term):
        found = func.instr(func.lower(Product.name), term.lower()) > 0
        return list(await session.scalars(select(Product).where(found)))

    assert judged("13.1.5", search_products).passed


def test_search_that_removes_wildcards_fails():
    """A term without its % is another term: it finds everything."""

    async def search_products(session, term):
        cleaned = term.replace("%", "").replace("_", "")
        return list(await session.scalars(select(Product).where(Product.name.ilike(f"%{cleaned}%"))))

    assert judged("13.1.5", search_products).state is State.FAILED


def test_search_that_minds_capitals_fails():
    """Capitals make a difference in instr()."""

    async def search_products(session, term):
        return list(await session.scalars(select(Product).where(func.instr(Product.name, term) > 0)))

    assert judged("13.1.5", search_products).state is State.FAILED


def test_a_test_on_the_real_database_fails():
    """Without an override the test writes where it must not."""

    async def a_test(app):
        import httpx

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
            created = await client.post("/products", json={"product_name": "Lamp", "price": "12.90"})
            assert created.status_code == 201
            assert (await client.get(created.headers["Location"])).json()["price"] == "12.90"

    verdict = judged("13.1.6", a_test)

    assert verdict.state is State.FAILED
    assert "real database" in verdict.decisive.message


def test_a_test_that_always_fails_fails():
    """Failing on every broken application is worth nothing when the good one fails too."""

    async def a_test(app):
        assert app is None

    verdict = judged("13.1.6", a_test)

    assert verdict.state is State.FAILED
    assert "works" in verdict.decisive.message


def test_typo_is_not_called_sql_injection():
    """An error that a plain term raises too has another cause than the term."""

    async def search_products(session, term):
        return list(await session.scalars(select(Product).where(Product.nmae == term)))

    verdict = judged("13.1.5", search_products)

    assert verdict.state is State.ERROR
    assert verdict.causes == ()


def test_missing_columns_are_not_called_python_defaults():
    """Where stock and is_available do not exist, nothing is said about their defaults."""

    class Base(DeclarativeBase):
        pass

    class Bare(Base):
        __tablename__ = "bare"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(200), index=True)

    assert judged("13.1.1", Bare).causes == ()


def test_forgotten_tables_are_not_called_a_memory_database():
    """With one shared connection, a missing table is simply not created."""

    async def a_test(app):
        import httpx
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.pool import StaticPool

        from lab_support.database import get_session, session_factory

        engine = create_async_engine("sqlite+aiosqlite:///:memory:", poolclass=StaticPool)

        async def mine():
            async with session_factory(engine)() as session:
                yield session

        app.dependency_overrides[get_session] = mine
        try:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                await client.post("/products", json={"product_name": "Lamp", "price": "12.90"})
        finally:
            app.dependency_overrides.clear()
            await engine.dispose()

    verdict = judged("13.1.6", a_test)

    assert not verdict.passed
    assert "memory-database-per-connection" not in [cause.name for cause in verdict.causes]


def test_list_of_another_shape_is_not_called_unordered():
    """A list without items has no order to be wrong."""
    router = APIRouter(prefix="/products")

    @router.get("")
    async def everything():
        return {"items": [], "next": None}

    assert "unordered-pages" not in [cause.name for cause in judged("13.1.3", router).causes]


def test_broken_dependency_is_not_called_expiry():
    """A dependency that raises says nothing about what happens after a commit."""

    async def get_session(request: Request):
        raise ValueError("not this way")
        yield

    verdict = judged("13.1.2", lambda engine: async_sessionmaker(engine, expire_on_commit=False), get_session)

    assert not verdict.passed
    assert verdict.causes == ()
