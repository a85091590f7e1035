"""Indexes, declared beside the documents they belong to and made when the application starts.

Section:
    13.7, "Documents over HTTP"; 13.8, "Unique, where the field may be missing"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_support.documents.types import Collection

_OTHER_OPTIONS, _OTHER_KEYS, _DUPLICATE = 85, 86, 11000


class IndexConflictError(Exception):
    """An index can't be as it is declared; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One index.

    Attributes:
        name: Its name in the collection; a renamed index is another index.
        keys: Fields with 1 (ascending) or -1 (descending), in their order.
        unique: No two documents have the same values; one that lacks a field counts as having null there.
        sparse: Documents that lack all the fields are left out of it.
        partial: Only documents for which this filter holds are in it.
    """

    name: str
    keys: Sequence[tuple[str, int]]
    unique: bool = False
    sparse: bool = False
    partial: Mapping[str, Any] | None = None

    def options(self) -> dict[str, Any]:
        """Give what the server is told besides the keys; what is off is left out."""
        options: dict[str, Any] = {"name": self.name}
        if self.unique:
            options["unique"] = True
        if self.sparse:
            options["sparse"] = True
        if self.partial is not None:
            options["partialFilterExpression"] = dict(self.partial)
        return options


async def ensure_indexes(collection: Collection, indexes: Sequence[Index]) -> None:
    """Make the indexes that are missing; those that are there as declared stay untouched.

    Raises:
        IndexConflictError: One of this name, or on these keys, is there with other options, or the documents that are
            there break a unique one.
    """
    from pymongo.errors import OperationFailure

    for index in indexes:
        try:
            await collection.create_index(list(index.keys), **index.options())
        except OperationFailure as error:
            if error.code in (_OTHER_OPTIONS, _OTHER_KEYS):
                raise IndexConflictError(
                    f"Collection '{collection.name}' has another index than the declared '{index.name}'. "
                    f"Drop it with drop_index('{index.name}'), or give the declared one a new name."
                ) from error
            if error.code == _DUPLICATE:
                raise IndexConflictError(
                    f"Index '{index.name}' of collection '{collection.name}' cannot be unique: two documents have the "
                    f"same {', '.join(name for name, _ in index.keys)}. Find them with an aggregation and mend one."
                ) from error
            raise
