"""Indexes: what they are called, and the duplicates that unique ones refuse.

Section:
    13.8, "Unique, where the field may be missing"
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.ordering import EMPTY, MISSING, Key, sort_key
from lab_support.documents.embedded.paths import values_at

Document = dict[str, Any]

ID_INDEX: Document = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


class Index:
    """One index of a collection. A unique one knows which document owns each of its keys.

    Args:
        spec: As in `createIndexes`: `key`, `name` and perhaps `unique`, `sparse`, `partialFilterExpression`.
    """

    def __init__(self, spec: Document) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.unique = bool(spec.get("unique"))
        self.paths = [path.split(".") for path in spec["key"]]
        self._sparse = bool(spec.get("sparse"))
        partial = spec.get("partialFilterExpression")
        self._covers = compile_filter(partial) if partial is not None else None
        self.owners: dict[Key, Key] = {}

    def keys_of(self, document: Document) -> dict[Key, tuple[Any, ...]]:
        """Give the document's keys in this index, each with the values it was made of.

        Raises:
            CommandError: Two of the fields are arrays (code 171).
        """
        if self._covers is not None and not self._covers(document):
            return {}
        found = [_filed_under(document, path) for path in self.paths]
        if self._sparse and all(value is MISSING for values in found for value in values):
            return {}
        if len(found) > 1:
            self._refuse_parallel_arrays(document)
        keys: dict[Key, tuple[Any, ...]] = {}
        for values in product(*found):
            keys.setdefault(tuple(map(sort_key, values)), values)
        return keys

    def check(self, document: Document, owner: Key | None, namespace: str) -> None:
        """Refuse a document whose key another document owns.

        Args:
            document: What is to be stored.
            owner: The key of its `_id`.
            namespace: Named in the error, as `database.collection`.

        Raises:
            CommandError: Code 11000, with `keyPattern` and `keyValue`.
        """
        if not self.unique:
            if len(self.paths) > 1:
                self._refuse_parallel_arrays(document)
            return
        for key, values in self.keys_of(document).items():
            if self.owners.get(key, owner) != owner:
                raise duplicate_key(namespace, self.spec, values)

    def add(self, document: Document, owner: Key) -> None:
        """File a document."""
        if self.unique:
            self.owners.update(dict.fromkeys(self.keys_of(document), owner))

    def remove(self, document: Document) -> None:
        """Forget a document."""
        if self.unique:
            for key in self.keys_of(document):
                self.owners.pop(key, None)

    def _refuse_parallel_arrays(self, document: Document) -> None:
        arrays = {path[0] for path in self.paths if isinstance(document.get(path[0]), list)}
        if len(arrays) > 1:
            raise CommandError(171, f"cannot index parallel arrays [{']['.join(sorted(arrays))}]")


def _filed_under(document: Document, path: list[str]) -> list[Any]:
    """Give the values under which an index files a document: the elements of an array, not the array."""
    found: list[Any] = []
    for value in values_at(document, path):
        found.extend((value or [EMPTY]) if isinstance(value, list) else [value])
    return found or [MISSING]


def duplicate_key(namespace: str, spec: Mapping[str, Any], values: tuple[Any, ...]) -> CommandError:
    """Make the error for a value that a unique index holds already."""
    shown = [None if value is MISSING or value is EMPTY else value for value in values]
    pairs = dict(zip(spec["key"], shown, strict=True))
    text = ", ".join(f"{path}: {_shell(value)}" for path, value in pairs.items())
    return CommandError(
        11000,
        f"E11000 duplicate key error collection: {namespace} index: {spec['name']} dup key: {{ {text} }}",
        keyPattern=dict(spec["key"]),
        keyValue=pairs,
    )


def default_name(key: Mapping[str, Any]) -> str:
    """Give the name that MongoDB gives an index whose maker gave none."""
    return "_".join(f"{path}_{direction}" for path, direction in key.items())


def _shell(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return (
        {None: "null", True: "true", False: "false"}.get(value, str(value)) if _plain(value) else repr(value)
    )


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float)
