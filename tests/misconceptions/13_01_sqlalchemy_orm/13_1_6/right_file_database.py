import tempfile
from pathlib import Path

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from lab_support.database import get_session, session_factory
from lab_support.services.store.entities import StoreBase


async def a_test(app: FastAPI) -> None:
    folder = tempfile.TemporaryDirectory()
    engine = create_async_engine(f"sqlite+aiosqlite:///{Path(folder.name) / 'test.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(StoreBase.metadata.create_all)
    sessions = session_factory(engine)

    async def use_my_sessions():
        async with sessions() as session:
            yield session

    app.dependency_overrides[get_session] = use_my_sessions
    try:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            created = await client.post("/products", json={"product_name": "Lamp", "price": "12.90"})
            assert created.status_code == 201
            shown = await client.get(created.headers["Location"])
            assert shown.status_code == 200
            assert shown.json()["product_name"] == "Lamp"
            assert shown.json()["price"] == "12.90"
    finally:
        del app.dependency_overrides[get_session]
        await engine.dispose()
        folder.cleanup()
