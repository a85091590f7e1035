from contextlib import asynccontextmanager

from lab_support.documents.client import get_database, mongo_client

__all__ = ["get_database", "lifespan"]


@asynccontextmanager
async def lifespan(app):
    async with mongo_client(app.state.mongodb_url) as client:
        app.state.documents = client.get_default_database()
        yield {"client": client}
