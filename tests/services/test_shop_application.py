"""The application as a whole: its life, its health, its description, and errors that nobody expected."""

import asyncio
import sqlite3
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from lab_support.database import DatabaseUrlError, build_engine, get_session, trace_sql
from lab_support.pools import DatabaseUnreachableError
from lab_support.services import create_app, running_app
from lab_support.services.relational import StartError
from lab_support.services.store.migrations import upgrade
from lab_support.settings import Settings

LAMP = {"product_name": "Desk lamp", "price": "24.90"}
STORE = ("store",)
NOWHERE = "postgresql+asyncpg://clerk:hunter2@127.0.0.1:1/shop"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's settings out, and temporary folders where the test can see them."""
    for name in ("LAB_DATA", "LAB_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def store_of(app: FastAPI) -> FastAPI:
    store: FastAPI = app.state.services["store"]
    return store


async def test_nothing_connects_before_the_lifespan(tmp_path: Path) -> None:
    """Making an application opens no file and no connection, whatever its database."""
    create_app(Settings(data=tmp_path / "data"))
    create_app(Settings(database_url=SecretStr(NOWHERE)))

    assert not (tmp_path / "data").exists()


async def test_data_folder_keeps_the_data(tmp_path: Path) -> None:
    """Two lives of the application on one folder see the same products."""
    settings = Settings(data=tmp_path / "new" / "data")

    async with running_app(app=create_app(settings, only=STORE)) as client:
        await client.post("/store/products", json=LAMP)
    async with running_app(app=create_app(settings, only=STORE)) as client:
        assert (await client.get("/store/products/1")).status_code == 200

    with sqlite3.connect(tmp_path / "new" / "data" / "store.db") as file:
        assert file.execute("SELECT name FROM products").fetchall() == [("Desk lamp",)]
    file.close()


async def test_temporary_data_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    """Without a folder the data lives in one that only its owner can enter, and only as long as the application."""
    async with running_app(app=create_app(only=STORE)) as client:
        await client.post("/store/products", json=LAMP)
        (folder,) = (tmp_path / "temporary").iterdir()
        assert (folder / "store.db").is_file()
        assert folder.stat().st_mode & 0o077 == 0

    assert list((tmp_path / "temporary").iterdir()) == []


async def test_engine_is_closed_when_the_caller_fails(tmp_path: Path) -> None:
    """An error inside the block comes out as it is, and leaves no file and no connection."""
    app = create_app(only=STORE)
    pools = []

    async def use_and_fail() -> None:
        async with running_app(app=app) as client:
            await client.post("/store/products", json=LAMP)
            pools.append(store_of(app).state.engine.pool)
            assert pools[0].checkedin() == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use_and_fail()

    (pool,) = pools
    assert pool.checkedout() == pool.checkedin() == 0
    assert list((tmp_path / "temporary").iterdir()) == []


async def test_application_can_live_twice() -> None:
    """The same object can be started again; a temporary database is then a new one."""
    app = create_app(only=STORE)
    for _ in range(2):
        async with running_app(app=app) as client:
            assert (await client.get("/store/products")).json()["items"] == []
            assert (await client.post("/store/products", json=LAMP)).json()["product_id"] == 1


async def test_unreachable_database_is_told_in_one_line_without_secrets(tmp_path: Path) -> None:
    """Starting on a server that is not there names the server and hides the password."""
    with pytest.raises(DatabaseUnreachableError) as caught:
        async with running_app(app=create_app(Settings(database_url=SecretStr(NOWHERE)), only=STORE)):
            pytest.fail("the application must not start")

    assert "clerk:***@127.0.0.1:1/shop" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "temporary").iterdir()) == []


async def test_unusable_url_is_told_in_one_line_without_secrets() -> None:
    """A URL of an unknown database is refused before anything starts."""
    with pytest.raises(DatabaseUrlError) as caught:
        async with running_app(
            app=create_app(Settings(database_url=SecretStr("oracle://clerk:hunter2@host/shop")), only=STORE)
        ):
            pytest.fail("the application must not start")

    assert "hunter2" not in str(caught.value)


async def test_data_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    """A file in the place of the folder, or in the place of the database, is told in one line."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StartError, match=r"data folder .*file"):
        async with running_app(app=create_app(Settings(data=tmp_path / "file"), only=STORE)):
            pytest.fail("the application must not start")

    (tmp_path / "store.db").write_bytes(b"no database" * 1000)
    with pytest.raises((StartError, DatabaseUnreachableError), match=r"store\.db.*not a database"):
        async with running_app(app=create_app(Settings(data=tmp_path), only=STORE)):
            pytest.fail("the application must not start")


async def test_data_of_an_earlier_version_is_told_how_to_be_upgraded(tmp_path: Path) -> None:
    """Tables at an old revision are left alone; the error names it and the command, and then all is well."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    await upgrade(url, "0001")

    with pytest.raises(StartError, match=r"at revision 0001.*lab migrate store"):
        async with running_app(app=create_app(Settings(data=tmp_path), only=STORE)):
            pytest.fail("the application must not start")

    await upgrade(url)
    async with running_app(app=create_app(Settings(data=tmp_path), only=STORE)) as client:
        assert (await client.post("/store/products", json=LAMP)).status_code == 201


async def test_settings_and_application_exclude_each_other() -> None:
    """An application has its settings already."""
    with pytest.raises(ValueError, match="not both"):
        async with running_app(Settings(), app=create_app()):
            pytest.fail("nothing must start")


async def test_readiness_asks_the_database_and_health_asks_nobody() -> None:
    """A ready answer has cost a statement; a process is alive without."""
    app = create_app(only=STORE)
    async with running_app(app=app) as client:
        with trace_sql(store_of(app).state.engine) as trace:
            alive = await client.get("/healthz")
            asked = list(trace.statements)
            ready = await client.get("/readyz")

    assert (alive.status_code, alive.json()) == (ready.status_code, ready.json()) == (200, {"status": "ok"})
    assert asked == []
    assert [event.sql for event in trace.statements] == ["SELECT 1"]


async def test_readiness_names_the_service_whose_database_is_silent() -> None:
    """Without a database the process lives and is not ready: 503 names the service, and tells no address."""
    app = create_app(only=STORE)
    async with running_app(app=app) as client:
        working = store_of(app).state.engine
        store_of(app).state.engine = build_engine(NOWHERE)
        try:
            alive = await client.get("/healthz")
            answer = await client.get("/readyz")
        finally:
            store_of(app).state.engine = working

    assert alive.status_code == 200
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert "store" in answer.json()["detail"]
    assert "127.0.0.1" not in answer.text


async def test_exhausted_pool_is_unavailable_and_recovers(tmp_path: Path) -> None:
    """While all connections are held a request answers 503 with Retry-After, and afterwards it works again."""
    app = create_app(Settings(data=tmp_path, pool_size=1, max_overflow=0, pool_timeout_s=0.05), only=STORE)
    async with running_app(app=app) as client:
        async with store_of(app).state.engine.connect():
            refused = await client.get("/store/products")
        accepted = await client.get("/store/products")

    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert "retry-after" in refused.headers
    assert accepted.status_code == 200


async def test_unexpected_error_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A table that is gone answers 500 without SQL; the log has the whole story."""
    app = create_app(only=STORE)
    async with running_app(app=app) as client:
        async with store_of(app).state.engine.begin() as connection:
            await connection.execute(text("DROP TABLE order_items"))
            await connection.execute(text("DROP TABLE products"))
        answers = [await client.get("/store/products"), await client.post("/store/products", json=LAMP)]

    for answer in answers:
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert not any(
            word in answer.text.lower() for word in ("sql", "table", "products", "insert", "select")
        )
    assert "no such table" in caplog.text


async def test_bug_in_the_application_is_a_500_for_the_client() -> None:
    """An error in code, not in the database, is answered as a server would, and tells nothing either."""

    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    app = create_app(only=STORE)
    store_of(app).dependency_overrides[get_session] = broken
    async with running_app(app=app) as client:
        answer = await client.get("/store/products")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text


async def test_description_is_complete_and_silent() -> None:
    """Both OpenAPI documents are made without a warning and list every route, status and problem document."""
    app = create_app(only=STORE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root, store = app.openapi(), store_of(app).openapi()

    assert set(root["paths"]) == {"/healthz", "/readyz", "/metrics"}
    statuses = {
        (method, path): set(operation["responses"])
        for path, methods in store["paths"].items()
        for method, operation in methods.items()
    }
    assert statuses == {
        ("post", "/products"): {"201", "400", "413", "422", "503", "504"},
        ("get", "/products"): {"200", "400", "422", "503", "504"},
        ("get", "/products/{product_id}"): {"200", "404", "422", "503", "504"},
        ("put", "/products/{product_id}"): {"200", "400", "404", "413", "422", "503", "504"},
        ("patch", "/products/{product_id}"): {"200", "400", "404", "413", "422", "503", "504"},
        ("delete", "/products/{product_id}"): {"204", "404", "409", "422", "503", "504"},
        ("post", "/users"): {"201", "400", "409", "413", "422", "503", "504"},
        ("get", "/users/{user_id}"): {"200", "404", "422", "503", "504"},
        ("post", "/orders"): {"201", "400", "402", "404", "409", "413", "422", "503", "504"},
        ("get", "/orders"): {"200", "400", "422", "503", "504"},
        ("get", "/orders/{order_id}"): {"200", "404", "422", "503", "504"},
    }
    assert "HTTPValidationError" not in store["components"]["schemas"]
    for operation in (one for methods in store["paths"].values() for one in methods.values()):
        for status, answer in operation["responses"].items():
            assert status < "400" or set(answer["content"]) == {"application/problem+json"}


async def test_patch_is_described_without_nulls() -> None:
    """The description of PATCH says which field may be null, and demands none."""
    schema: dict[str, Any] = store_of(create_app()).openapi()["components"]["schemas"]["ProductPatch"]

    nullable = {name for name, field in schema["properties"].items() if "null" in str(field)}
    assert nullable == {"description"}
    assert "required" not in schema


async def test_documentation_can_be_opened() -> None:
    """The description is served for the shop and, under its own path, for the store."""
    async with running_app(app=create_app(only=STORE)) as client:
        for address in ("/openapi.json", "/store/openapi.json", "/docs", "/store/docs"):
            assert (await client.get(address)).status_code == 200
        assert (await client.get("/store/openapi.json")).json()["servers"] == [{"url": "/store"}]


async def test_slow_silence_of_a_database_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that accepts and then says nothing costs the readiness route its limit and no more."""
    monkeypatch.setattr("lab_support.services.health.HEALTH_LIMIT_S", 0.1)

    async def listen_in_silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen_in_silence, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    app = create_app(only=STORE)
    async with server, running_app(app=app) as client:
        working = store_of(app).state.engine
        store_of(app).state.engine = silent = build_engine(f"postgresql+asyncpg://u@127.0.0.1:{port}/x")
        try:
            async with asyncio.timeout(5):
                answer = await client.get("/readyz")
        finally:
            store_of(app).state.engine = working
            await silent.dispose()

    assert answer.status_code == 503
