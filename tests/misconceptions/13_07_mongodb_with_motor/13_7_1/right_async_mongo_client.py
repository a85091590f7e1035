from contextlib import asynccontextmanager

from fastapi import Request
from pymongo import AsyncMongoClient


@asynccontextmanager
async def lifespan(app):
    async with AsyncMongoClient(app.state.mongodb_url) as client:
        await client.aconnect()
        await client.admin.command({"ping": 1})
        app.state.client = client
        yield


async def get_database(request: Request):
    yield request.app.state.client.get_default_database()
