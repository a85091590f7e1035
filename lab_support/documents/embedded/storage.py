"""Databases and collections: documents in the order of their insertion, and the files that keep them.

All calls come from the one thread of the server's loop, so a command is atomic and no lock is needed.

Section:
    13.7, "What this lesson's server is, and is not"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import bson

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.indexes import ID_INDEX, Index, duplicate_key
from lab_support.documents.embedded.journal import Journal, NoJournal, open_journal
from lab_support.documents.embedded.ordering import Key, sort_key

Document = dict[str, Any]


class Collection:
    """The documents of one collection. A stored document is never changed: a new one takes its place.

    Attributes:
        options: What `create` and `collMod` set: `validator`, `validationLevel`, `validationAction`.
        indexes: The indexes by name, without the one on `_id`.
    """

    def __init__(self, database: str, name: str, options: Document, journal: Journal | NoJournal) -> None:
        self.database = database
        self.name = name
        self.options = options
        self.uuid: UUID = uuid4()
        self.indexes: dict[str, Index] = {}
        self._documents: dict[Key, Document] = {}
        self._journal = journal

    @property
    def namespace(self) -> str:
        """The name with which errors and cursors call it: `database.collection`."""
        return f"{self.database}.{self.name}"

    def __len__(self) -> int:
        """How many documents there are."""
        return len(self._documents)

    def __iter__(self) -> Iterator[Document]:
        """Go through the documents as they are now, in the order of insertion."""
        return iter(list(self._documents.values()))

    def get(self, identity: Any) -> Document | None:
        """Find a document by its `_id`."""
        return self._documents.get(sort_key(identity))

    def insert(self, document: Document) -> None:
        """Keep a new document; its first field is `_id`.

        Raises:
            CommandError: A unique index holds its key already (code 11000).
        """
        key = sort_key(document["_id"])
        if key in self._documents:
            raise duplicate_key(self.namespace, ID_INDEX, (document["_id"],))
        self._check_indexes(document, key)
        self._journal.put(self, document)
        self._file(key, document)

    def replace(self, old: Document, new: Document) -> None:
        """Let a document take the place of a stored one with the same `_id`.

        Raises:
            CommandError: A unique index holds its key already (code 11000).
        """
        key = sort_key(old["_id"])
        self._check_indexes(new, key)
        self._journal.put(self, new)
        for index in self.indexes.values():
            index.remove(old)
        self._file(key, new)

    def delete(self, document: Document) -> None:
        """Forget a stored document."""
        self._journal.remove(self, document)
        del self._documents[sort_key(document["_id"])]
        for index in self.indexes.values():
            index.remove(document)

    def add_index(self, spec: Document) -> None:
        """Build an index over what is stored.

        Raises:
            CommandError: Two stored documents have one key of a unique index (code 11000); nothing was built.
        """
        index = Index(spec)
        for key, document in self._documents.items():
            index.check(document, key, self.namespace)
            index.add(document, key)
        self.indexes[index.name] = index
        self.save_definition()

    def drop_index(self, name: str) -> None:
        """Forget an index."""
        del self.indexes[name]
        self.save_definition()

    def save_definition(self) -> None:
        """Keep the options and indexes as they are now."""
        self._journal.define(self)

    def load(self, documents: Iterable[Document], index_specs: Iterable[Document]) -> None:
        """Take what the journal kept, without writing it again."""
        self._documents = {sort_key(document["_id"]): document for document in documents}
        for spec in index_specs:
            index = self.indexes[spec["name"]] = Index(spec)
            for key, document in self._documents.items():
                index.add(document, key)

    def _check_indexes(self, document: Document, key: Key) -> None:
        for index in self.indexes.values():
            index.check(document, key, self.namespace)

    def _file(self, key: Key, document: Document) -> None:
        self._documents[key] = document
        for index in self.indexes.values():
            index.add(document, key)


class Storage:
    """All databases of a server.

    Args:
        folder: Where they are kept; None keeps them in memory.

    Raises:
        StorageError: The folder cannot be used, or another server uses it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._journal = open_journal(folder)
        self._collections: dict[tuple[str, str], Collection] = {}
        self._load()

    def find(self, database: str, name: str) -> Collection | None:
        """Find a collection."""
        return self._collections.get((database, name))

    def find_or_create(self, database: str, name: str) -> Collection:
        """Find a collection, and make it when it is missing, as the first write to it does."""
        found = self.find(database, name)
        return self.create(database, name, {}) if found is None else found

    def create(self, database: str, name: str, options: Document) -> Collection:
        """Make a collection.

        Raises:
            CommandError: It exists (code 48), or the name cannot be one (code 73).
        """
        check_namespace(database, name)
        if (database, name) in self._collections:
            raise CommandError(48, f"Collection {database}.{name} already exists.")
        made = Collection(database, name, options, self._journal)
        made.save_definition()
        self._collections[database, name] = made
        return made

    def collections(self, database: str | None = None) -> list[Collection]:
        """List the collections of a database, or of all."""
        return [one for one in self._collections.values() if database in (None, one.database)]

    def drop(self, collection: Collection) -> None:
        """Forget a collection with all its documents and indexes."""
        self._journal.drop(collection)
        del self._collections[collection.database, collection.name]

    def commit(self) -> None:
        """Make what was written since the last call outlive the process.

        Raises:
            CommandError: The file could not be written (code 14031); what it kept is true again.
        """
        try:
            self._journal.commit()
        except CommandError:
            self._load()
            raise

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def _load(self) -> None:
        self._collections = {}
        for kept in self._journal.load():
            made = Collection(kept.database, kept.name, kept.options, self._journal)
            made.load((bson.decode(body, kept.codec) for body in kept.bodies), kept.indexes)
            self._collections[kept.database, kept.name] = made


def check_namespace(database: str, name: str) -> None:
    """Refuse names that no database or collection can have.

    Raises:
        CommandError: Code 73.
    """
    if not database or len(database) > 63 or set(database) & set('/\\. "$\0'):
        raise CommandError(73, f"Invalid database name: '{database}'")
    if not name or "$" in name or "\0" in name or name.startswith((".", "system.")) or name.endswith("."):
        raise CommandError(73, f"Invalid collection name: '{name}'")
    if len(f"{database}.{name}".encode()) > 255:
        raise CommandError(73, "The name of the collection is longer than 255 bytes.")
