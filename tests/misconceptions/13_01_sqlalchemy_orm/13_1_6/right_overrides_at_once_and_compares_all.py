import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from lab_support.database import get_session, session_factory
from lab_support.services.store.entities import StoreBase


async def a_test(app: FastAPI) -> None:
    engine = create_async_engine("sqlite+aiosqlite:///:memory:", poolclass=StaticPool)
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
            wanted = {
                "product_id": 1,
                "product_name": "Lamp",
                "description": None,
                "price": "12.90",
                "stock": 0,
                "is_available": True,
            }
            assert created.json() == shown.json() == wanted
    finally:
        app.dependency_overrides.clear()
        await engine.dispose()
