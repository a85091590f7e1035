"""Commands that make and drop indexes.

Section:
    13.8, "Unique, where the field may be missing"
"""

from __future__ import annotations

from typing import Any

from lab_support.documents.embedded.commands.arguments import document, documents
from lab_support.documents.embedded.commands.registry import Call, command
from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.indexes import default_name
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.storage import Collection

Document = dict[str, Any]

_KEYS = frozenset({"key", "name", "unique", "sparse", "partialFilterExpression", "background", "v", "ns"})


@command("createIndexes", "indexes writeConcern commitQuorum")
def create_indexes(call: Call) -> Document:
    """Build indexes; one that exists already is left as it is."""
    specs = [_spec(one) for one in documents(call.body, "indexes")]
    missing = call.collection() is None
    collection = call.storage.find_or_create(call.database, call.collection_name)
    before = len(collection.indexes) + 1
    try:
        _add_all(collection, specs)
    except CommandError:
        if missing:
            call.storage.drop(collection)
        raise
    return {
        "numIndexesBefore": before,
        "numIndexesAfter": len(collection.indexes) + 1,
        "createdCollectionAutomatically": missing,
    }


@command("dropIndexes", "index writeConcern", also="deleteIndexes")
def drop_indexes(call: Call) -> Document:
    """Drop one index, by name or key, several by name, or all (`*`) but the one on `_id`."""
    collection = call.collection()
    if collection is None:
        raise CommandError(26, f"ns not found {call.namespace}")
    before = len(collection.indexes) + 1
    wanted = call.body.get("index")
    for name in list(collection.indexes) if wanted == "*" else _names(collection, wanted):
        collection.drop_index(name)
    return {"nIndexesWas": before}


def _add_all(collection: Collection, specs: list[Document]) -> None:
    built: list[str] = []
    try:
        for spec in specs:
            if not _exists(collection, spec):
                collection.add_index(spec)
                built.append(spec["name"])
    except CommandError:
        for name in built:
            collection.drop_index(name)
        raise


def _spec(one: Document) -> Document:
    key = one.get("key")
    if not isinstance(key, dict) or not key:
        raise CommandError(67, "Index keys cannot be empty: 'key' must name a field.")
    if unknown := one.keys() - _KEYS:
        raise not_implemented(f"the index option '{min(unknown)}'")
    for path, direction in key.items():
        if isinstance(direction, str) or path == "$**" or path.endswith(".$**"):
            raise not_implemented(f"the kind of index {{{path}: {direction!r}}}")
        if isinstance(direction, bool) or not isinstance(direction, int | float) or direction == 0:
            raise CommandError(67, f"Values in the index key pattern cannot be {direction!r}; use 1 or -1.")
        if "" in path.split(".") or path.startswith("$"):
            raise CommandError(67, f"Index key '{path}' cannot be the path of a field.")
    if "partialFilterExpression" in one:
        if one.get("sparse"):
            raise CommandError(67, "cannot mix 'partialFilterExpression' and 'sparse' options")
        compile_filter(document(one, "partialFilterExpression"))
    if type(one.get("name", "")) is not str:
        raise CommandError(14, "The name of an index is a string.")
    kept = {
        name: value for name, value in one.items() if name not in ("v", "ns", "background", "key", "name")
    }
    flags = {name: bool(value) if name in ("unique", "sparse") else value for name, value in kept.items()}
    return {"v": 2, "key": key, "name": one.get("name") or default_name(key), **flags}


def _exists(collection: Collection, spec: Document) -> bool:
    if list(spec["key"]) == ["_id"]:
        return True
    for index in collection.indexes.values():
        same_key = list(index.spec["key"].items()) == list(spec["key"].items())
        if index.name == spec["name"]:
            if index.spec == spec and same_key:
                return True
            code = 85 if same_key else 86
            raise CommandError(
                code,
                f"An existing index has the same name as the requested index: {spec['name']}. "
                "Drop it first, or give the new one another name.",
            )
        if same_key:
            raise CommandError(85, f"Index already exists with a different name: {index.name}")
    return False


def _names(collection: Collection, wanted: Any) -> list[str]:
    if isinstance(wanted, dict):
        for index in collection.indexes.values():
            if list(index.spec["key"].items()) == list(wanted.items()):
                return [index.name]
        if list(wanted) == ["_id"]:
            raise CommandError(72, "cannot drop _id index")
        raise CommandError(27, f"can't find index with key: {wanted}")
    names = wanted if isinstance(wanted, list) else [wanted]
    for name in names:
        if type(name) is not str:
            raise CommandError(14, "'index' is the name of an index, names, a key, or '*'.")
        if name == "_id_":
            raise CommandError(72, "cannot drop _id index")
        if name not in collection.indexes:
            raise CommandError(27, f"index not found with name [{name}]")
    return names
