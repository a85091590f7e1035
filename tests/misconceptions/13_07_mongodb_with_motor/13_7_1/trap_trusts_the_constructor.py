from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase


@asynccontextmanager
async def lifespan(app: FastAPI):
    client = AsyncIOMotorClient(app.state.mongodb_url)
    try:
        app.state.documents = client.get_default_database()
        yield
    finally:
        client.close()


def get_database(request: Request) -> AsyncIOMotorDatabase:
    return request.app.state.documents
