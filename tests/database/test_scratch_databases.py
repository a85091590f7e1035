"""Scratch databases: empty, alone, gone afterwards."""

import asyncio
from pathlib import Path

import pytest
from database_tables import TrialBase
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import (
    Backend,
    build_engine,
    check_connection,
    create_tables,
    scratch_database,
    trace_sql,
)
from lab_support.pools import DatabaseUnreachableError


@pytest.fixture(autouse=True)
def server(database_url: str, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the server that the shared fixture found."""
    if backend == "postgresql":
        monkeypatch.setenv("LAB_POSTGRES_URL", database_url)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def tables_of(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: inspect(sync).get_table_names())


async def test_scratch_databases_are_empty_and_apart(backend: Backend, tmp_path: Path) -> None:
    """What happens in one is not seen in another that lives at the same time."""
    async with scratch_database(backend, tmp_path) as one, scratch_database(backend, tmp_path) as two:
        engines = [build_engine(url) for url in (one, two)]
        await create_tables(engines[0], TrialBase.metadata)

        assert [len(await tables_of(engine)) for engine in engines] == [2, 0]
        for engine in engines:
            await engine.dispose()


async def test_scratch_database_is_gone_afterwards_though_somebody_forgot_a_session(
    backend: Backend, tmp_path: Path
) -> None:
    """An error inside and an open connection do not keep it."""
    before = files_in(tmp_path)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with scratch_database(backend, tmp_path) as url:
            engine = build_engine(url)
            forgotten = await engine.connect()
            await forgotten.execute(text("SELECT 1"))
            raise ZeroDivisionError

    assert files_in(tmp_path) == before
    if backend != "sqlite":
        with pytest.raises(DatabaseUnreachableError):
            await check_connection(build_engine(url))
    await forgotten.invalidate()
    await forgotten.close()
    await engine.dispose()


async def test_making_one_leaves_no_trace_in_a_callers_trace(backend: Backend, tmp_path: Path) -> None:
    """A judge may count statements around it."""
    with trace_sql() as trace:
        async with scratch_database(backend, tmp_path):
            pass

    assert trace.events == []


async def test_cancelled_check_still_removes_its_database(backend: Backend, tmp_path: Path) -> None:
    """A check that ran out of time leaves nothing on the server."""
    urls: list[str] = []

    async def check() -> None:
        async with scratch_database(backend, tmp_path) as url:
            urls.append(url)
            ready.set()
            await asyncio.Event().wait()

    ready = asyncio.Event()
    running = asyncio.create_task(check())
    async with asyncio.timeout(30):
        await ready.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    if backend == "sqlite":
        assert not [name for name in files_in(tmp_path) if name.startswith("scratch_")]
    else:
        with pytest.raises(DatabaseUnreachableError):
            await check_connection(build_engine(urls[0]))


@pytest.mark.parametrize("backend", ["sqlite"])
async def test_unknown_backend_is_refused(backend: Backend, tmp_path: Path) -> None:
    """The text names those that there are."""
    with pytest.raises(
        ValueError, match=r"called 'oracle'; use one of \('sqlite', 'postgresql', 'mariadb'\)"
    ):
        async with scratch_database("oracle", tmp_path):  # type: ignore[arg-type]
            pass
