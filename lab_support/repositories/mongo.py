"""Repositories over MongoDB: a base to inherit from, bound to one collection of either driver.

Each method is one message to the server, and each write is atomic by itself: there is nothing to commit.

Section:
    13.7, "Behind the contract of 13.3"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from lab_support.documents.types import Collection, Document
from lab_support.repositories.errors import DuplicateError
from lab_support.repositories.protocol import Entity, Id, KeysetPage, check_window


class DocumentMapping(Protocol[Entity]):
    """How entities of one kind become documents, and documents entities."""

    @property
    def name(self) -> str:
        """What an entity is called in errors."""
        ...

    async def document_of(self, entity: Entity, collection: Collection, /) -> Document:
        """Give a new entity what it lacks (an id, defaults), and give its whole document."""
        ...

    def entity_of(self, document: Mapping[str, Any], /) -> Entity:
        """Give the entity that a stored document means."""
        ...

    def update_of(self, changes: Mapping[str, Any], /) -> Document:
        """Give the update that sets the named attributes and leaves the others.

        Raises:
            UnknownColumnError: A name is not that of an attribute, or is the id's.
        """
        ...


class MongoRepository(Generic[Entity, Id]):
    """The entities in one collection.

    A subclass adds the questions of its own domain, built on `_first`, `_find` and `_page`. What it puts into a filter
    is a value that it made itself: a dictionary from outside would be an operator.
    """

    def __init__(self, collection: Collection, mapping: DocumentMapping[Entity]) -> None:
        self._collection = collection
        self._mapping = mapping

    async def get_by_id(self, id_: Id, /) -> Entity | None:
        """Give the entity with this id."""
        return self._entity(await self._collection.find_one({"_id": id_})) if storable(id_) else None

    async def get_all(self, *, skip: int = 0, limit: int = 100) -> Sequence[Entity]:
        """Give at most `limit` entities in the order of their ids, after leaving out `skip`."""
        return await self._find({}, skip=skip, limit=limit)

    async def create(self, entity: Entity, /) -> Entity:
        """Store a new entity, with its id and defaults."""
        document = await self._mapping.document_of(entity, self._collection)
        with named_duplicates(self._mapping.name):
            await self._collection.insert_one(document)
        return entity

    async def update(self, id_: Id, changes: Mapping[str, Any], /) -> Entity | None:
        """Set the named attributes and read the document, in one step that nobody can come between."""
        update = self._mapping.update_of(changes)
        if not changes:
            return await self.get_by_id(id_)
        return await self._change({"_id": id_}, update) if storable(id_) else None

    async def delete(self, id_: Id, /) -> bool:
        """Remove the document."""
        if not storable(id_):
            return False
        return (await self._collection.delete_one({"_id": id_})).deleted_count > 0

    async def _change(self, filter_: Document, update: Document) -> Entity | None:
        """Change one document for which the filter holds, and give what it is now."""
        with named_duplicates(self._mapping.name):
            return self._entity(
                await self._collection.find_one_and_update(
                    filter_, update, return_document=ReturnDocument.AFTER
                )
            )

    async def _first(self, filter_: Document) -> Entity | None:
        """Give the entity with the lowest id for which the filter holds."""
        return self._entity(await self._collection.find_one(filter_, sort=[("_id", 1)]))

    async def _find(self, filter_: Document, *, skip: int = 0, limit: int = 100) -> Sequence[Entity]:
        """Give those for which the filter holds, in the order of their ids."""
        check_window(skip, limit)
        found = self._collection.find(filter_).sort("_id", 1).skip(skip).limit(limit)
        return [self._mapping.entity_of(document) for document in await found.to_list(limit)]

    async def _page(
        self, filter_: Document, *, after: Id | None = None, limit: int = 100
    ) -> KeysetPage[Entity, Id]:
        """Give a page that begins after an id, however deep, at the price of the first page."""
        found, next_ = await self._documents(filter_, after=after, limit=limit)
        return KeysetPage([self._mapping.entity_of(document) for document in found], next_)

    async def _documents(
        self, filter_: Document, *, after: Id | None, limit: int, leave_out: Document | None = None
    ) -> tuple[list[Document], Id | None]:
        """Read the documents of a page, and the id after which the next one begins.

        One more than the page is read, to know whether there is a next one. `leave_out` is a projection of fields
        that the server need not send.
        """
        check_window(0, limit)
        beyond = filter_ if after is None else {"$and": [{"_id": {"$gt": after}}, filter_]}
        found = (
            await self._collection.find(beyond, leave_out).sort("_id", 1).limit(limit + 1).to_list(limit + 1)
        )
        items = found[:limit]
        return items, items[-1]["_id"] if len(found) > limit else None

    def _entity(self, document: Mapping[str, Any] | None) -> Entity | None:
        return None if document is None else self._mapping.entity_of(document)


def storable(id_: object) -> bool:
    """Tell whether BSON has a number this large; a driver would call it an error to ask for another."""
    return not isinstance(id_, int) or -(2**63) <= id_ < 2**63


@contextmanager
def named_duplicates(entity: str) -> Iterator[None]:
    """Give a broken unique index the name that callers know.

    Raises:
        DuplicateError: Another document has the value.
    """
    try:
        yield
    except DuplicateKeyError as error:
        raise DuplicateError(entity) from error
