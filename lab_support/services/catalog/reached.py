"""The catalogue's documents seen from another process: opened where they are, never made.

Documents on a server can be reached by anybody. Those of the embedded server belong to the process that runs it.

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from lab_support.documents.types import Collection
from lab_support.messaging import Bus
from lab_support.services.catalog.document_outbox import DocumentOutbox
from lab_support.services.catalog.document_relay import DocumentRelay, DocumentTurn
from lab_support.services.catalog.entities import COLLECTION
from lab_support.services.catalog.lifespan import catalog_database
from lab_support.services.relational import StartError
from lab_support.settings import Settings


@asynccontextmanager
async def reached_products(settings: Settings) -> AsyncIterator[Collection]:
    """Open the products on the server of LAB_MONGODB_URL.

    Raises:
        DatabaseUnreachableError: It does not answer.
        StartError: The documents are on no server.
    """
    if settings.mongodb_url is None:
        raise StartError(
            "the catalogue's documents are kept inside the process that serves them, and published there; nobody else "
            "can open them. Set LAB_MONGODB_URL to keep them on a server."
        )
    async with catalog_database(settings) as database:
        yield database[COLLECTION]


class TellingDocumentRelay(DocumentRelay):
    """A document relay that tells of each event it parks."""

    def __init__(self, products: Collection, bus: Bus, tell: Callable[[str], object]) -> None:
        super().__init__(products, bus)
        self._tell = tell

    async def turn(self) -> DocumentTurn:
        """Take a turn.

        Raises:
            BrokerUnavailableError: The broker is away.
            pymongo.errors.PyMongoError: The database did not do its part.
        """
        turn = await super().turn()
        if turn.parked:
            await self._tell_of(self.outbox, set(turn.parked))
        return turn

    async def _tell_of(self, outbox: DocumentOutbox, parked: set[str]) -> None:
        for document in await outbox.parked():
            first = document["outbox"]["pending"][0]
            if str(first.get("event_id")) in parked:
                error = " ".join(str(document["outbox"].get("last_error")).split())
                self._tell(
                    f"Parked {first.get('type')} {first.get('event_id')} of product {document['_id']}: {error}"
                )
