from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase

from lab_support.documents.embedded import EmbeddedMongo

SERVER = EmbeddedMongo().start()
CLIENT = AsyncIOMotorClient(f"{SERVER.url}shop")


@asynccontextmanager
async def lifespan(app: FastAPI):
    await CLIENT.admin.command("ping")
    yield


def get_database(request: Request) -> AsyncIOMotorDatabase:
    return CLIENT.get_default_database()
