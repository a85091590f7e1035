"""The catalogue's part in the conversation of the services: a relay over documents, and a counter of orders.

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

from lab_support.documents.types import Database
from lab_support.messaging import Bus, Listener
from lab_support.services.catalog.document_relay import DocumentRelay
from lab_support.services.catalog.entities import COLLECTION
from lab_support.services.catalog.handlers import NAME, OrderCounter
from lab_support.services.participant import Around, Participant


def participate(database: Database, bus: Bus, *, around: Around | None = None) -> Participant:
    """Put the catalogue's part together; nothing connects and nothing runs yet.

    Args:
        database: The catalogue's own.
        bus: Where its relay publishes.
        around: Clock, waits and chance.
    """
    around = around or Around()
    products = database[COLLECTION]
    relay = DocumentRelay(
        products,
        bus,
        settings=around.relay,
        clock=around.clock,
        sleep=around.sleep,
        random=around.random,
    )
    return Participant(name=NAME, relay=relay, listeners=[Listener("order", NAME, OrderCounter(products))])
