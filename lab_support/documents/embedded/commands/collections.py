"""Commands about collections and databases: create, collMod, drop and their lists.

Section:
    13.8, "Validators: the server refuses"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import bson
from bson import Binary

from lab_support.documents.embedded.commands.arguments import batch_size, document, whole_number
from lab_support.documents.embedded.commands.registry import Call, command
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.indexes import ID_INDEX
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.storage import Collection, check_namespace
from lab_support.documents.embedded.validation import check_validator

Document = dict[str, Any]

_OPTIONS = ("validator", "validationLevel", "validationAction")


@command("create", "validator validationLevel validationAction writeConcern autoIndexId idIndex")
def create(call: Call) -> Document:
    """Make a collection; one with a bad validator is not made."""
    name = call.collection_name
    check_namespace(call.database, name)
    options = {key: call.body[key] for key in _OPTIONS if call.body.get(key) is not None}
    existing = call.collection()
    if existing is not None and existing.options != options:
        raise CommandError(48, f"Collection {existing.namespace} already exists. Its options differ.")
    check_validator(options)
    if existing is None:
        call.storage.create(call.database, name, options)
    return {}


@command("collMod", "validator validationLevel validationAction writeConcern")
def coll_mod(call: Call) -> Document:
    """Change a collection's validator, its level or its action; stored documents stay as they are."""
    collection = _existing(call)
    told = {key: call.body[key] for key in _OPTIONS if call.body.get(key) is not None}
    options = {**collection.options, **told}
    if options.get("validator") == {}:
        del options["validator"]
    check_validator(options)
    collection.options = options
    collection.save_definition()
    return {}


@command("drop", "writeConcern")
def drop(call: Call) -> Document:
    """Forget a collection; one that is not there is no error, as in MongoDB 7."""
    collection = call.collection()
    if collection is None:
        return {}
    told = {"nIndexesWas": len(collection.indexes) + 1, "ns": collection.namespace}
    call.storage.drop(collection)
    return told


@command("dropDatabase", "writeConcern")
def drop_database(call: Call) -> Document:
    """Forget a database."""
    found = call.storage.collections(call.database)
    for collection in found:
        call.storage.drop(collection)
    return {"dropped": call.database} if found else {}


@command("listCollections", "filter nameOnly authorizedCollections cursor")
def list_collections(call: Call) -> Document:
    """List a database's collections with their options."""
    matches = compile_filter(document(call.body, "filter"))
    told = (_describe(one) for one in call.storage.collections(call.database))
    found = (one for one in told if matches(one))
    if call.body.get("nameOnly"):
        found = ({"name": one["name"], "type": one["type"]} for one in found)
    return _cursor(call, "$cmd.listCollections", found)


@command("listDatabases", "filter nameOnly authorizedDatabases", admin_only=True)
def list_databases(call: Call) -> Document:
    """List the databases that have a collection."""
    matches = compile_filter(document(call.body, "filter"))
    names = sorted({one.database for one in call.storage.collections()})
    if call.body.get("nameOnly"):
        return {"databases": [one for name in names if matches(one := {"name": name})]}
    told = [{"name": name, "sizeOnDisk": _size(call, name), "empty": False} for name in names]
    found = [one for one in told if matches(one)]
    return {"databases": found, "totalSize": sum(one["sizeOnDisk"] for one in found)}


@command("listIndexes", "cursor")
def list_indexes(call: Call) -> Document:
    """List a collection's indexes, the one on `_id` first."""
    collection = _existing(call)
    specs = [ID_INDEX, *(index.spec for index in collection.indexes.values())]
    return _cursor(call, collection.name, specs)


@command("dbStats", "scale freeStorage", also="dbstats")
def db_stats(call: Call) -> Document:
    """Count and weigh what a database holds; sizes are in bytes divided by `scale`."""
    found = call.storage.collections(call.database)
    scale = whole_number(call.body, "scale", 1) or 1
    objects, size = sum(map(len, found)), _size(call, call.database)
    return {
        "db": call.database,
        "collections": len(found),
        "views": 0,
        "objects": objects,
        "avgObjSize": size / objects if objects else 0.0,
        "dataSize": size / scale,
        "indexes": sum(len(one.indexes) + 1 for one in found),
        "scaleFactor": scale,
    }


def _size(call: Call, database: str) -> int:
    return sum(len(bson.encode(one)) for found in call.storage.collections(database) for one in found)


def _existing(call: Call) -> Collection:
    collection = call.collection()
    if collection is None:
        raise CommandError(26, f"ns does not exist: {call.namespace}")
    return collection


def _describe(collection: Collection) -> Document:
    return {
        "name": collection.name,
        "type": "collection",
        "options": collection.options,
        "info": {"readOnly": False, "uuid": Binary(collection.uuid.bytes, 4)},
        "idIndex": ID_INDEX,
    }


def _cursor(call: Call, name: str, found: Iterable[Document]) -> Document:
    size = batch_size(document(call.body, "cursor"))
    documents: Iterator[Document] = iter(list(found))
    namespace, cursors = f"{call.database}.{name}", call.engine.cursors
    return {"cursor": cursors.first_batch(namespace, documents, call.connection.number, size=size)}
