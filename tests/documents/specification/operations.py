"""Calls PyMongo as a case of the specification says."""

import re
from collections.abc import Mapping
from inspect import signature
from typing import Any

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.command_cursor import CommandCursor
from pymongo.cursor import Cursor

MODELS: Mapping[str, Any] = {
    "insertOne": InsertOne,
    "updateOne": UpdateOne,
    "updateMany": UpdateMany,
    "replaceOne": ReplaceOne,
    "deleteOne": DeleteOne,
    "deleteMany": DeleteMany,
}
RENAMED = {
    "fieldName": "key",
    "maxTimeMS": "max_time_ms",
    "bypassDocumentValidation": "bypass_document_validation",
}
PASSED_ON = ("find", "findOne")  # these give their arguments, which they do not name, to a cursor
METHODS = {"findOne": "find_one", "createIndex": "create_index", "distinct": "distinct"}


class NotInThisDriverError(Exception):
    """PyMongo has no such method or argument."""


def perform(target: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    """Call the method of a collection, a database or a client; cursors are read to their end.

    Raises:
        NotInThisDriverError: PyMongo has no such method or argument.
    """
    if name in ("createCollection", "dropCollection", "modifyCollection"):
        return _manage(target, name, dict(arguments))
    method = getattr(target, _snake(name), None)
    if method is None or callable(getattr(type(method), "__getitem__", None)):
        raise NotInThisDriverError(f"PyMongo has no method for {name}")
    try:
        result = method(**_translated(name, arguments, target))
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            raise NotInThisDriverError(str(error)) from error
        raise
    return list(result) if isinstance(result, Cursor | CommandCursor) else result


def _manage(database: Any, name: str, arguments: dict[str, Any]) -> Any:
    collection = arguments.pop("collection")
    if name == "createCollection":
        database.create_collection(collection, **arguments)
    elif name == "dropCollection":
        database.drop_collection(collection)
    else:
        return database.command({"collMod": collection, **arguments})
    return None


def _translated(name: str, arguments: Mapping[str, Any], target: Any) -> dict[str, Any]:
    accepted = signature(getattr(target, _snake(name))).parameters
    made: dict[str, Any] = {}
    for key, value in arguments.items():
        known = RENAMED.get(key, _snake(key))
        made[known if known in accepted or name in PASSED_ON else key] = value
    if "return_document" in made:
        made["return_document"] = (
            ReturnDocument.AFTER if made["return_document"] == "After" else ReturnDocument.BEFORE
        )
    if "requests" in made:
        made["requests"] = [_model(request) for request in made["requests"]]
    if name == "createIndex":
        made["keys"] = list(made["keys"].items())
    if name.startswith("find") and isinstance(made.get("sort"), Mapping):
        made["sort"] = list(made["sort"].items())
    return made


def _model(request: Mapping[str, Any]) -> Any:
    ((name, arguments),) = request.items()
    return MODELS[name](**{RENAMED.get(key, _snake(key)): value for key, value in arguments.items()})


def _snake(name: str) -> str:
    return METHODS.get(name, re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", name))
