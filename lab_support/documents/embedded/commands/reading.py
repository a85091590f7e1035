"""Commands that read: find, getMore, killCursors, count and distinct.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from bson.int64 import Int64

from lab_support.documents.embedded.commands.arguments import batch_size, document, whole_number
from lab_support.documents.embedded.commands.hints import check_hint
from lab_support.documents.embedded.commands.registry import Call, command
from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.finding import find_documents
from lab_support.documents.embedded.ordering import (
    MISSING,
    Key,
    document_sorter,
    sort_key,
)
from lab_support.documents.embedded.paths import values_at
from lab_support.documents.embedded.projecting import compile_projection
from lab_support.documents.embedded.sorting import check_sort

Document = dict[str, Any]

_MOST = 2**61


@command(
    "find",
    "filter sort projection skip limit batchSize singleBatch hint noCursorTimeout allowDiskUse readConcern "
    "allowPartialResults tailable awaitData",
)
def find(call: Call) -> Document:
    """Find documents, and keep a cursor when they do not fit into one batch."""
    body = call.body
    if body.get("tailable") or body.get("awaitData"):
        raise not_implemented("tailable cursors")
    limit = whole_number(body, "limit", least=-_MOST)
    single = bool(body.get("singleBatch")) or limit < 0
    found = matching_documents(call, document(body, "filter"), document(body, "sort"))
    found = islice(found, whole_number(body, "skip"), None)
    if limit:
        found = islice(found, abs(limit))
    if project := document(body, "projection"):
        found = map(compile_projection(project), found)
    return {
        "cursor": call.engine.cursors.first_batch(
            call.namespace, found, call.connection.number, size=batch_size(body), single=single
        )
    }


@command("getMore", "collection batchSize maxTimeMS")
def get_more(call: Call) -> Document:
    """Give the next batch of a cursor."""
    number, name = call.body["getMore"], call.body.get("collection")
    if not isinstance(number, int) or not isinstance(name, str):
        raise CommandError(14, "getMore needs a cursor's id (a long) and the name of its collection.")
    size = whole_number(call.body, "batchSize") or None
    namespace = f"{call.database}.{name}"
    return {"cursor": call.engine.cursors.next_batch(number, namespace, call.connection.number, size)}


@command("killCursors", "cursors")
def kill_cursors(call: Call) -> Document:
    """Drop cursors."""
    asked = call.body.get("cursors")
    if not isinstance(asked, list) or not all(isinstance(one, int) for one in asked):
        raise CommandError(14, "'cursors' must be an array of cursor ids.")
    killed = {number: call.engine.cursors.kill(number) for number in asked}
    return {
        "cursorsKilled": [Int64(number) for number, was_there in killed.items() if was_there],
        "cursorsNotFound": [Int64(number) for number, was_there in killed.items() if not was_there],
        "cursorsAlive": [],
        "cursorsUnknown": [],
    }


@command("count", "query limit skip hint readConcern fields")
def count(call: Call) -> Document:
    """Count documents."""
    found = matching_documents(call, document(call.body, "query"), {})
    limit = abs(whole_number(call.body, "limit", least=-_MOST)) or None
    skip = whole_number(call.body, "skip")
    return {"n": sum(1 for _ in islice(found, skip, skip + limit if limit else None))}


@command("distinct", "key query readConcern hint")
def distinct(call: Call) -> Document:
    """List the different values of a field; the elements of an array count one by one."""
    path = call.body.get("key")
    if not isinstance(path, str) or not path:
        raise CommandError(14, "'key' must be the path of a field.")
    values: dict[Key, Any] = {}
    for found in matching_documents(call, document(call.body, "query"), {}):
        for value in values_at(found, path.split(".")):
            for one in value if isinstance(value, list) else [value]:
                values.setdefault(sort_key(one) if one is not MISSING else (), one)
    values.pop((), None)
    return {"values": [values[key] for key in sorted(values)]}


def matching_documents(call: Call, query: Document, sort: Document) -> Iterator[Document]:
    """Give the documents of the command's collection that a filter means, sorted."""
    check_sort(sort)
    collection = call.collection()
    check_hint(collection, call.body.get("hint"))
    found: Iterable[Document] = find_documents(collection, query, call.tick)
    if "$natural" in sort:
        found = reversed(list(found)) if sort["$natural"] == -1 else found
    elif sort:
        found = sorted(found, key=document_sorter(sort))
    return iter(found)
