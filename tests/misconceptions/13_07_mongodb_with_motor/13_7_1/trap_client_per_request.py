from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from motor.motor_asyncio import AsyncIOMotorClient


@asynccontextmanager
async def lifespan(app: FastAPI):
    client = AsyncIOMotorClient(app.state.mongodb_url)
    try:
        await client.admin.command("ping")
    finally:
        client.close()
    yield


async def get_database(request: Request):
    client = AsyncIOMotorClient(request.app.state.mongodb_url)
    try:
        yield client.get_default_database()
    finally:
        client.close()
