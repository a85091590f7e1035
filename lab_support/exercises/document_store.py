"""The documents of a check: one embedded server in a process, and a fresh database for each story.

The judge seeds and reads by a synchronous client of its own. A student's code gets Motor, on the same database.

Section:
    13.7, 13.8
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

    from lab_support.documents.embedded import EmbeddedMongo

Document = dict[str, Any]
SLOWEST_ANSWER_MS = 5_000


@dataclass(frozen=True, slots=True)
class Documents:
    """A story's database.

    Attributes:
        url: Where it is, its name included.
        socket_url: The same by the Unix socket; None where there is none.
        database: The same, as the judge sees it.
    """

    url: str
    socket_url: str | None
    database: Database[Document]


class _Store:
    """The server of this process and the judge's client of it; both end with the process."""

    def __init__(self) -> None:
        from pymongo import MongoClient

        from lab_support.documents.embedded import EmbeddedMongo

        self.process = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix="lab-documents-"))
        near = self.folder / "mongodb.sock" if hasattr(socket, "AF_UNIX") else None
        self.server: EmbeddedMongo = EmbeddedMongo(socket_path=near).start()
        self.client: MongoClient[Document] = MongoClient(
            self.server.url,
            tz_aware=True,
            tzinfo=UTC,
            uuidRepresentation="standard",
            serverSelectionTimeoutMS=SLOWEST_ANSWER_MS,
            socketTimeoutMS=SLOWEST_ANSWER_MS,
            appname="judge",
        )
        atexit.register(self.close)

    def close(self) -> None:
        """End both, unless they were inherited from another process, where they belong."""
        if self.process == os.getpid():
            self.client.close()
            self.server.close()
            shutil.rmtree(self.folder, ignore_errors=True)


_stores: dict[int, _Store] = {}


@contextmanager
def fresh_documents() -> Iterator[Documents]:
    """Yield an empty database, which is dropped afterwards."""
    store = _stores.get(os.getpid())
    if store is None:
        store = _stores[os.getpid()] = _Store()
    name = f"check_{uuid4().hex[:12]}"
    try:
        near = store.server.socket_url
        yield Documents(store.server.url + name, near and near + name, store.client[name])
    finally:
        store.client.drop_database(name)


def refusals() -> tuple[type[Exception], ...]:
    """Return the base class of the driver's errors; nothing where no story has loaded the driver."""
    errors = sys.modules.get("pymongo.errors")
    return (errors.PyMongoError,) if errors is not None else ()
