"""Real code that raises each well-known error on the real library; no message is written by hand."""

from __future__ import annotations

import asyncio
import gc
import linecache
import socket
import sqlite3
import threading
import warnings
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, Numeric, event, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Provocation = Callable[[Path], Awaitable[None]]


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    buyer: Mapped[str] = mapped_column(unique=True)
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0))
    items: Mapped[list[Item]] = relationship()


class Item(Base):
    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))


@asynccontextmanager
async def shop(folder: Path, **options: Any) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'shop.db'}", **options)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield engine
    finally:
        await engine.dispose()


async def missing_greenlet(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        order = Order(buyer="Ada")
        session.add(order)
        await session.commit()
        print(order.buyer)


async def missing_greenlet_of_a_relation(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine, expire_on_commit=False) as session:
        session.add(Order(id=1, buyer="Ada"))
        await session.commit()
        session.expunge_all()
        order = (await session.scalars(select(Order))).one()
        print(len(order.items))


async def detached_instance(folder: Path) -> None:
    async with shop(folder) as engine:
        async with AsyncSession(engine) as session:
            order = Order(buyer="Ada")
            session.add(order)
            await session.commit()
        print(order.buyer)


async def pending_rollback(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        session.add_all([Order(id=1, buyer="Ada"), Order(id=2, buyer="Ada")])
        try:
            await session.flush()
        except Exception:
            print("the name is taken")
        await session.execute(select(Order))


async def concurrent_session(folder: Path) -> None:
    async with (
        open_engine(f"sqlite+aiosqlite:///{folder / 'new.db'}") as engine,
        AsyncSession(engine) as session,
    ):
        await both(session.execute(text("SELECT 1")), session.execute(text("SELECT 2")))


async def concurrent_flush(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        session.add(Order(buyer="Ada"))
        await both(session.commit(), session.commit())


async def both(*work: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(one) for one in work]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    await asyncio.gather(*tasks, return_exceptions=True)
    for first in done:
        first.result()


async def pool_exhausted(folder: Path) -> None:
    small = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    async with shop(folder, **small) as engine, engine.connect(), engine.connect():
        raise AssertionError("a second connection came out of a pool of one")


async def already_begun(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        await session.execute(select(Order))
        async with session.begin():
            pass


async def already_begun_on_a_connection(folder: Path) -> None:
    async with shop(folder) as engine, engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await connection.begin()


async def database_locked(folder: Path) -> None:
    async with shop(folder, connect_args={"timeout": 0.05}) as engine:
        rival = sqlite3.connect(folder / "shop.db", isolation_level=None)
        rival.execute("BEGIN IMMEDIATE")
        try:
            async with AsyncSession(engine) as session:
                session.add(Order(buyer="Ada"))
                await session.commit()
        finally:
            rival.close()


async def busy_snapshot(folder: Path) -> None:
    async with shop(folder, connect_args={"isolation_level": None}) as engine:
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        rival = sqlite3.connect(folder / "shop.db", isolation_level=None)
        rival.execute("PRAGMA journal_mode=WAL")
        try:
            async with AsyncSession(engine) as session:
                await session.execute(select(Order))
                rival.execute("INSERT INTO orders (buyer, total) VALUES ('Bob', 0)")
                session.add(Order(buyer="Ada"))
                await session.commit()
        finally:
            rival.close()


async def no_such_table_in_memory(folder: Path) -> None:
    async with open_engine("sqlite+aiosqlite:///:memory:") as first, first.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with open_engine("sqlite+aiosqlite:///:memory:") as second, AsyncSession(second) as session:
        await session.execute(select(Order))


@asynccontextmanager
async def open_engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url)
    try:
        yield engine
    finally:
        await engine.dispose()


async def unawaited_attribute(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        query = session.execute(select(Order))
        try:
            query.all()  # type: ignore[attr-defined]
        finally:
            query.close()


async def unawaited_iteration(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        query = session.scalars(select(Order))
        try:
            list(query)  # type: ignore[call-overload]
        finally:
            query.close()


async def unawaited_length(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        query = session.scalars(select(Order))
        try:
            len(query)  # type: ignore[arg-type]
        finally:
            query.close()


async def unawaited_warning(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            session.commit()
            gc.collect()
        raise next(one.message for one in seen if isinstance(one.message, RuntimeWarning))


async def multiple_results(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        session.add_all([Order(buyer="Ada"), Order(buyer="Bob")])
        await session.flush()
        (await session.execute(select(Order))).scalar_one_or_none()


async def no_result(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        (await session.execute(select(Order))).scalar_one()


async def integrity(folder: Path) -> None:
    async with shop(folder) as engine, AsyncSession(engine) as session:
        session.add_all([Order(buyer="Ada"), Order(buyer="Ada")])
        await session.commit()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def _connects(url: str) -> None:
    async with open_engine(url) as engine, engine.connect():
        raise AssertionError("somebody answers at a closed port")


async def postgresql_refused(folder: Path) -> None:
    await _connects(f"postgresql+asyncpg://lab:secret@127.0.0.1:{closed_port()}/shop")


async def mariadb_refused(folder: Path) -> None:
    await _connects(f"mysql+aiomysql://lab:secret@127.0.0.1:{closed_port()}/shop")


async def mongodb_refused(folder: Path) -> None:
    from pymongo import AsyncMongoClient

    url = f"mongodb://127.0.0.1:{closed_port()}"
    async with AsyncMongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=200) as client:
        await client.admin.command("ping")


async def run_cell(source: str, names: dict[str, Any]) -> None:
    """Run `source` as IPython runs a cell: its lines are known to linecache, `await` is allowed."""
    filename = f"<ipython-input-{abs(hash(source))}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    code = compile(source, filename, "exec", flags=PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    pending = eval(code, names)  # noqa: S307 - this is what a kernel does
    if pending is not None:
        await pending


async def check(exercise: str, work: object) -> None:
    """A stand-in for the workbook's check, which is never reached."""


async def task_cell_not_run(folder: Path) -> None:
    await run_cell('await check(\n    "13.1.2",\n    get_session,\n)', {"check": check})


async def first_cell_not_run(folder: Path) -> None:
    await run_cell('start("13.1")', {})


async def lock_of_another_loop(folder: Path) -> None:
    async with shop(folder, pool_size=1, max_overflow=0, pool_timeout=0.2) as engine:
        failures: list[BaseException] = []

        async def waits_for_the_only_connection() -> None:
            async with engine.connect():
                pass

        def in_another_loop() -> None:
            try:
                asyncio.run(waits_for_the_only_connection())
            except RuntimeError as error:
                failures.append(error)

        async with engine.connect():
            with_the_pool_in_use = asyncio.ensure_future(waits_for_the_only_connection())
            await asyncio.sleep(0)
            thread = threading.Thread(target=in_another_loop)
            thread.start()
            await asyncio.to_thread(thread.join)
            with_the_pool_in_use.cancel()
        raise failures[0]


async def future_of_another_loop(folder: Path) -> None:
    other = asyncio.new_event_loop()
    try:
        await other.create_future()
    finally:
        other.close()


async def run_inside_a_loop(folder: Path) -> None:
    main = missing_greenlet(folder)
    try:
        asyncio.run(main)
    finally:
        main.close()


async def driver_missing(folder: Path) -> None:
    create_async_engine("mysql+asyncmy://lab@localhost/shop")


async def driver_not_async(folder: Path) -> None:
    create_async_engine("sqlite:///shop.db")


async def table_defined_twice(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await run_cell(
            "class Base(DeclarativeBase): pass\n"
            "for _ in range(2):\n"
            "    class Order(Base):\n"
            "        __tablename__ = 'orders'\n"
            "        id: Mapped[int] = mapped_column(primary_key=True)\n",
            {"DeclarativeBase": DeclarativeBase, "Mapped": Mapped, "mapped_column": mapped_column},
        )


PROVOCATIONS: dict[Provocation, str] = {
    missing_greenlet: "missing-greenlet",
    missing_greenlet_of_a_relation: "missing-greenlet",
    detached_instance: "detached-instance",
    pending_rollback: "pending-rollback",
    concurrent_session: "concurrent-session",
    concurrent_flush: "concurrent-session",
    pool_exhausted: "pool-exhausted",
    already_begun: "already-begun",
    already_begun_on_a_connection: "already-begun",
    database_locked: "database-locked",
    busy_snapshot: "busy-snapshot",
    no_such_table_in_memory: "no-such-table",
    unawaited_attribute: "unawaited-coroutine",
    unawaited_iteration: "unawaited-coroutine",
    unawaited_length: "unawaited-coroutine",
    unawaited_warning: "unawaited-coroutine",
    multiple_results: "multiple-results",
    no_result: "no-result",
    integrity: "integrity",
    postgresql_refused: "connection-refused",
    mariadb_refused: "connection-refused",
    mongodb_refused: "connection-refused",
    task_cell_not_run: "task-cell-not-run",
    first_cell_not_run: "task-cell-not-run",
    lock_of_another_loop: "wrong-loop",
    future_of_another_loop: "wrong-loop",
    run_inside_a_loop: "loop-already-running",
    driver_missing: "driver-missing",
    driver_not_async: "driver-not-async",
    table_defined_twice: "table-defined-twice",
}
