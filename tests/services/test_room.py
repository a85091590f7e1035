"""Pools larger than their server's room: refused at the start, with the sum."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from lab_support.database import Backend, build_engine
from lab_support.database.server_room import ServerRoom, ask_room
from lab_support.pools import PoolSettings
from lab_support.services import running_app
from lab_support.services.app import create_app
from lab_support.services.relational import StartError
from lab_support.services.room import refuse_overbooking
from lab_support.settings import Settings

SERVERS = [
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


def services(*urls: str) -> dict[str, FastAPI]:
    apps = {}
    for number, url in enumerate(urls):
        apps[f"service {number}"] = app = FastAPI()
        app.state.engine = build_engine(url)
    return apps


async def close(apps: dict[str, FastAPI]) -> None:
    for app in apps.values():
        await app.state.engine.dispose()


@pytest.mark.parametrize("backend", SERVERS)
async def test_server_tells_its_room(backend: Backend, database_url: str) -> None:
    """Less what it keeps for its administrator."""
    engine = build_engine(database_url)
    room = await ask_room(engine)
    await engine.dispose()

    assert room is not None
    assert 0 < room.for_us <= room.most


async def test_file_has_no_limit(tmp_path: Path) -> None:
    """Nobody is asked, so the file is not even made."""
    engine = build_engine(f"sqlite:///{tmp_path / 'a.db'}")

    assert await ask_room(engine) is None
    assert not (tmp_path / "a.db").exists()


@pytest.mark.parametrize(
    ("room", "left"),
    [
        (ServerRoom(100, 3), 97),
        (ServerRoom(100, 3, own=20), 20),
        (ServerRoom(100, 3, own=500), 97),
        (ServerRoom(100, 3, own=0), 0),
    ],
)
def test_narrower_limit_counts(room: ServerRoom, left: int) -> None:
    """The server's, or the user's own."""
    assert room.for_us == left


@pytest.mark.parametrize("backend", SERVERS)
async def test_workers_and_services_add_up(backend: Backend, database_url: str) -> None:
    """Each pool alone would fit; together they do not, and a smaller number does."""
    apps = services(database_url, database_url)
    room = await ask_room(apps["service 0"].state.engine)
    assert room is not None
    most = room.for_us // 2
    await refuse_overbooking(apps, PoolSettings(size=most - 1, max_overflow=1), 1)
    with pytest.raises(StartError) as too_many:
        await refuse_overbooking(apps, PoolSettings(size=most, max_overflow=1), 1)
    with pytest.raises(StartError):
        await refuse_overbooking(apps, PoolSettings(size=most - 1, max_overflow=1), 2)
    await close(apps)

    assert f"has room for {room.for_us} connections" in str(too_many.value)
    assert f"1 worker(s) x 2 service(s) x ({most} + 1) could open {2 * (most + 1)}" in str(too_many.value)
    assert "Lower LAB_POOL_SIZE or LAB_MAX_OVERFLOW" in str(too_many.value)


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.postgres
async def test_limit_of_the_database_counts(backend: Backend, database_url: str) -> None:
    """PostgreSQL has limits for single databases and users as well."""
    engine = build_engine(database_url)
    name = engine.url.database
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f'ALTER DATABASE "{name}" CONNECTION LIMIT 7'))
        room = await ask_room(engine)
        await connection.execute(text(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1'))
    await engine.dispose()

    assert room is not None
    assert room.for_us == 7


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.postgres
async def test_application_does_not_start_with_too_large_a_pool(
    backend: Backend, database_url: str, tmp_path: Path
) -> None:
    """One line at the start instead of refused connections under load."""
    settings = Settings(data=tmp_path, database_url=database_url, pool_size=200, workers=50)
    with pytest.raises(StartError, match=r"50 worker\(s\) x 1 service\(s\) x \(200 \+ 10\) could open 10500"):
        async with running_app(settings, only=["store"]):
            pytest.fail("it must not start")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pool_size", 0),
        ("pool_size", -1),
        ("max_overflow", -1),
        ("pool_timeout_s", 0),
        ("pool_timeout_s", float("inf")),
        ("pool_recycle_s", 0),
        ("workers", 0),
        ("statement_timeout_s", -1),
        ("lock_timeout_s", float("nan")),
        ("connect_timeout_s", 0),
        ("request_limit_s", float("inf")),
    ],
)
def test_setting_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    """Under its own name."""
    with pytest.raises(ValueError, match=name):
        Settings(**{name: value})  # type: ignore[arg-type]


async def test_settings_reach_the_engine(tmp_path: Path) -> None:
    """What a person sets is what the pool does."""
    settings = Settings(
        data=tmp_path, pool_size=3, max_overflow=0, pool_timeout_s=1.5, pool_recycle_s=60, pool_pre_ping=False
    )
    app = create_app(settings, only=["store"])
    async with running_app(app=app):
        pool = app.state.services["store"].state.engine.pool
        seen = pool.size(), pool._max_overflow, pool.timeout(), pool._recycle, pool._pre_ping

    assert seen == (3, 0, 1.5, 60, False)


async def test_request_has_no_more_time_than_the_setting(tmp_path: Path) -> None:
    """The whole application keeps the limit, and reads the header."""
    async with running_app(Settings(data=tmp_path, request_limit_s=20), only=["store"]) as client:
        served = await client.get("/store/products", headers={"Request-Timeout-Ms": "15000"})
        late = await client.get("/store/products", headers={"Request-Timeout-Ms": "0"})
        wrong = await client.get("/store/products", headers={"Request-Timeout-Ms": "soon"})

    assert (served.status_code, late.status_code, wrong.status_code) == (200, 504, 400)
