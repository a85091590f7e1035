"""A mapped class kept as documents: the same entity as in SQL, with the types of BSON.

Section:
    13.7, "Behind the contract of 13.3"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, cast

from bson import Decimal128
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from sqlalchemy import Numeric, inspect

from lab_support.documents.times import in_milliseconds
from lab_support.documents.types import Collection, Document
from lab_support.repositories.columns import column_names, primary_key
from lab_support.repositories.errors import UnknownColumnError
from lab_support.repositories.protocol import Row

COUNTERS = "counters"
"""The collection that remembers, for each other one, the highest id it ever had."""

_TICK = timedelta(milliseconds=1)


class MappedDocuments(Generic[Row]):
    """The documents of one mapped class: a field for each column, the key as `_id`.

    BSON's dates have milliseconds. A new document's times are cut to them, and those that a change sets are rounded
    up, so that a change is always later than what it changes.
    """

    def __init__(
        self,
        entity: type[Row],
        *,
        defaults: Mapping[str, Callable[[], Any]],
        on_update: Mapping[str, Callable[[], Any]],
    ) -> None:
        self._entity = entity
        self._key = primary_key(entity).key
        self._fields = {name: "_id" if name == self._key else name for name in sorted(column_names(entity))}
        self._defaults, self._on_update = defaults, on_update
        mapper = inspect(entity)
        self._manager = mapper.class_manager
        self._cents = {
            name: Decimal(1).scaleb(-(column.type.scale or 0))
            for name, column in mapper.columns.items()
            if isinstance(column.type, Numeric)
        }

    @property
    def name(self) -> str:
        """What an entity is called in errors."""
        return self._entity.__name__

    async def document_of(self, entity: Row, collection: Collection, /) -> Document:
        """Give the entity its id and the defaults of what it leaves out, and give its document."""
        if getattr(entity, self._key) is None:
            setattr(entity, self._key, await next_id(collection))
        for name, default in self._defaults.items():
            if getattr(entity, name) is None:
                setattr(entity, name, default())
        document = {}
        for name, field in self._fields.items():
            value = document[field] = self._stored(name, getattr(entity, name))
            if isinstance(value, datetime):
                setattr(entity, name, value)
        return document

    def entity_of(self, document: Mapping[str, Any], /) -> Row:
        """Give a new object with what the document says; a field that it lacks is None, one too many is left out."""
        columns = {name: document.get(field) for name, field in self._fields.items()}
        for name in self._cents:
            if isinstance(value := columns[name], Decimal128):
                columns[name] = value.to_decimal()
        entity = cast("Row", self._manager.new_instance())  # as from a row: without the constructor
        vars(entity).update(columns)
        return entity

    def update_of(self, changes: Mapping[str, Any], /) -> Document:
        """Give the `$set` of the named columns and of those that every change sets."""
        if unknown := changes.keys() - self._fields.keys() | changes.keys() & {self._key}:
            raise UnknownColumnError(self.name, unknown)
        moved = {name: now() + _TICK for name, now in self._on_update.items()}
        return {"$set": {name: self._stored(name, value) for name, value in (moved | dict(changes)).items()}}

    def _stored(self, name: str, value: Any) -> Any:
        if value is not None and name in self._cents:
            return Decimal128(Decimal(value).quantize(self._cents[name]))
        if isinstance(value, datetime):
            return in_milliseconds(value)
        return value


async def next_id(collection: Collection) -> int:
    """Give a collection's next number; no number is given twice, whatever is deleted.

    It is taken before the document is written: one that is then refused leaves a gap, as a sequence in SQL does.
    """
    counters: Collection = collection.database[COUNTERS]
    try:
        return await _count(counters, collection.name)
    except DuplicateKeyError:  # two have made the counter at the same moment; now it is there
        return await _count(counters, collection.name)


async def _count(counters: Collection, name: str) -> int:
    counter: Any = await counters.find_one_and_update(
        {"_id": name}, {"$inc": {"last": 1}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    return int(counter["last"])
