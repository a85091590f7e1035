"""Run by a test in a process of its own: a document relay that says how far it is, and waits to be killed."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from lab_support.documents.client import mongo_client
from lab_support.messaging import EmbeddedBus, Message
from lab_support.services.catalog.document_relay import DocumentRelay
from lab_support.services.catalog.entities import COLLECTION


class DyingBus(EmbeddedBus):
    """Stops before or after the confirmation."""

    moment = ""

    async def publish(self, batch: Sequence[Message]) -> None:
        if self.moment == "published":
            await super().publish(batch)
        print(self.moment, flush=True)
        await asyncio.Event().wait()


async def main(url: str, name: str, path: str, moment: str) -> None:
    async with mongo_client(url, driver="pymongo") as client, DyingBus(Path(path)) as bus:
        bus.moment = moment
        await DocumentRelay(client[name][COLLECTION], bus).drain()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
