"""What keeps documents on disk: one SQLite file, written before a command is answered.

A crash of the process loses nothing that was answered: the system has the pages. A crash of the machine may lose
the last moments, as MongoDB's default (a journal flushed every 100 ms) may.

Section:
    13.7, "What this lesson's server is, and is not"
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import bson
from bson.codec_options import CodecOptions

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.wire import CODEC

Document = dict[str, Any]

FILE_NAME = "documents.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY, database TEXT NOT NULL, name TEXT NOT NULL, definition BLOB NOT NULL,
    UNIQUE (database, name)
);
CREATE TABLE IF NOT EXISTS documents (
    position INTEGER PRIMARY KEY, collection INTEGER NOT NULL, identity BLOB NOT NULL, body BLOB NOT NULL,
    UNIQUE (collection, identity)
);
"""


class StorageError(Exception):
    """The folder of an embedded server cannot be used."""


class _Stored(Protocol):
    """What the journal needs to know of a collection."""

    database: str
    name: str
    options: Document

    @property
    def indexes(self) -> dict[str, Any]:
        """Its indexes by name; each has a `spec`."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A collection as it was kept."""

    database: str
    name: str
    options: Document
    indexes: list[Document]
    bodies: list[bytes]
    codec: CodecOptions[Document] = CODEC


class NoJournal:
    """Keeps nothing: the documents live as long as the server."""

    def put(self, collection: _Stored, document: Document) -> None:
        """Keep a document, new or changed."""

    def remove(self, collection: _Stored, document: Document) -> None:
        """Forget a document."""

    def define(self, collection: _Stored) -> None:
        """Keep a collection's options and indexes."""

    def drop(self, collection: _Stored) -> None:
        """Forget a collection."""

    def commit(self) -> None:
        """Make what was written last."""

    def close(self) -> None:
        """Do nothing more."""

    def load(self) -> Iterator[Kept]:
        """Give what was kept: nothing."""
        return iter(())


class Journal:
    """Keeps documents in a SQLite file of which this process is the only user.

    Args:
        folder: Made when it is missing.

    Raises:
        StorageError: The file cannot be opened, or another server has it open.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self._path, isolation_level=None, timeout=0.2)
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.executescript("BEGIN IMMEDIATE;" + _TABLES + "COMMIT;")
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"The documents in {folder.name}/{FILE_NAME} cannot be opened: {error}. "
                "Close the other server that uses this folder, or name another folder."
            ) from error
        self._failure: sqlite3.Error | None = None
        self._numbers: dict[tuple[str, str], int] = {}

    def put(self, collection: _Stored, document: Document) -> None:
        """Keep a document, new or changed; a changed one keeps its place."""
        self._write(
            "INSERT INTO documents (collection, identity, body) VALUES (?, ?, ?) "
            "ON CONFLICT (collection, identity) DO UPDATE SET body = excluded.body",
            self._number(collection),
            _identity(document),
            bson.encode(document),
        )

    def remove(self, collection: _Stored, document: Document) -> None:
        """Forget a document."""
        self._write(
            "DELETE FROM documents WHERE collection = ? AND identity = ?",
            self._number(collection),
            _identity(document),
        )

    def define(self, collection: _Stored) -> None:
        """Keep a collection's options and indexes."""
        specs = [index.spec for index in collection.indexes.values()]
        self._write(
            "INSERT INTO collections (database, name, definition) VALUES (?, ?, ?) "
            "ON CONFLICT (database, name) DO UPDATE SET definition = excluded.definition",
            collection.database,
            collection.name,
            bson.encode({"options": collection.options, "indexes": specs}),
        )

    def drop(self, collection: _Stored) -> None:
        """Forget a collection."""
        number = self._number(collection)
        self._write("DELETE FROM documents WHERE collection = ?", number)
        self._write("DELETE FROM collections WHERE id = ?", number)
        del self._numbers[collection.database, collection.name]

    def commit(self) -> None:
        """Make what was written last.

        Raises:
            CommandError: The file could not be written (code 14031); it holds what it held at the last commit.
        """
        try:
            if self._failure is None and self._file.in_transaction:
                self._file.execute("COMMIT")
        except sqlite3.Error as error:
            self._failure = error
        failure, self._failure = self._failure, None
        if failure is not None:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise cannot_keep(failure) from failure

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._file.close()

    def load(self) -> Iterator[Kept]:
        """Give what was kept, collection by collection, documents in the order of insertion."""
        self._numbers = {}
        rows = self._file.execute("SELECT id, database, name, definition FROM collections ORDER BY id")
        for number, database, name, definition in rows.fetchall():
            self._numbers[database, name] = number
            told = bson.decode(definition, CODEC)
            found = self._file.execute(
                "SELECT body FROM documents WHERE collection = ? ORDER BY position", (number,)
            )
            yield Kept(database, name, told["options"], told["indexes"], [body for (body,) in found])

    def _number(self, collection: _Stored) -> int:
        name = (collection.database, collection.name)
        if name not in self._numbers:
            row = self._file.execute("SELECT id FROM collections WHERE database = ? AND name = ?", name)
            self._numbers[name] = row.fetchone()[0]
        return self._numbers[name]

    def _write(self, statement: str, *values: object) -> None:
        if self._failure is not None:
            raise cannot_keep(self._failure)
        try:
            if not self._file.in_transaction:
                self._file.execute("BEGIN IMMEDIATE")
            self._file.execute(statement, values)
        except sqlite3.Error as error:
            self._failure = error
            raise cannot_keep(error) from error


def cannot_keep(reason: Exception) -> CommandError:
    """Make the answer to a write that the disk refuses: code 14031."""
    return CommandError(
        14031, f"The documents could not be kept: {reason}. Nothing was stored; see to the disk."
    )


def open_journal(folder: Path | None) -> Journal | NoJournal:
    """Open the file of a folder; without a folder nothing is kept.

    Raises:
        StorageError: The folder cannot be used, or another server uses it.
    """
    return NoJournal() if folder is None else Journal(folder)


def _identity(document: Document) -> bytes:
    return bson.encode({"": document["_id"]})
