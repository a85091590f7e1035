"""Commands that change and remove: update, delete and findAndModify.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import bson

from lab_support.documents.embedded.commands.arguments import document, documents
from lab_support.documents.embedded.commands.hints import check_hint
from lab_support.documents.embedded.commands.registry import Call, command
from lab_support.documents.embedded.commands.writing import Writes
from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.finding import find_documents
from lab_support.documents.embedded.ordering import document_sorter
from lab_support.documents.embedded.projecting import compile_projection
from lab_support.documents.embedded.sorting import check_sort
from lab_support.documents.embedded.updating import compile_update

Document = dict[str, Any]

_UPDATE_KEYS = frozenset({"q", "u", "multi", "upsert", "hint", "arrayFilters"})
_DELETE_KEYS = frozenset({"q", "limit", "hint"})


@command("update", "updates ordered writeConcern bypassDocumentValidation")
def update(call: Call) -> Document:
    """Change documents: one or all that a filter means, or insert one when there is none."""
    writes = Writes(call)
    upserted: list[Document] = []
    for number, one in enumerate(documents(call.body, "updates")):
        with writes.guard(number):
            _refuse_unknown(one, _UPDATE_KEYS, "update")
            identity = _update_one(call, writes, one)
            if identity is not None:
                upserted.append({"index": number, **identity})
        if writes.stopped:
            break
    reply = {"n": writes.matched, "nModified": writes.modified, **writes.errors_reply()}
    return reply | ({"upserted": upserted} if upserted else {})


def _update_one(call: Call, writes: Writes, one: Document) -> Document | None:
    """Do one entry of `updates`; give `{"_id": …}` of the document that was inserted."""
    query, many = document(one, "q"), bool(one.get("multi"))
    change = compile_update(one.get("u"), one.get("arrayFilters"))
    if many and change.is_replacement:
        raise CommandError(9, "multi update is not supported for replacement-style update")
    check_hint(call.collection(), one.get("hint"))
    found = list(islice(find_documents(call.collection(), query, call.tick), None if many else 1))
    if not found:
        if not one.get("upsert"):
            return None
        new = change.insert(query)
        writes.insert(new)
        writes.matched += 1
        return {"_id": new["_id"]}
    for old in found:
        call.tick()
        _store(writes, old, change.apply(old, query))
    return None


def _store(writes: Writes, old: Document, new: Document) -> None:
    writes.matched += 1
    if bson.encode(new) != bson.encode(old):
        writes.replace(writes.collection(), old, new)


@command("delete", "deletes ordered writeConcern")
def delete(call: Call) -> Document:
    """Remove documents: the first or all that a filter means."""
    writes = Writes(call)
    for number, one in enumerate(documents(call.body, "deletes")):
        with writes.guard(number):
            _refuse_unknown(one, _DELETE_KEYS, "delete")
            limit = one.get("limit")
            if limit not in (0, 1):
                raise CommandError(9, f"The limit field in delete objects must be 0 or 1. Got {limit}")
            collection = call.collection()
            check_hint(collection, one.get("hint"))
            found = find_documents(collection, document(one, "q"), call.tick)
            for old in list(islice(found, int(limit) or None)):
                writes.collection().delete(old)
                writes.matched += 1
        if writes.stopped:
            break
    return {"n": writes.matched, **writes.errors_reply()}


@command(
    "findAndModify",
    "query sort remove update new fields upsert bypassDocumentValidation writeConcern hint arrayFilters",
    also="findandmodify",
)
def find_and_modify(call: Call) -> Document:
    """Change or remove one document, and give it as it was or as it has become."""
    body = call.body
    _check_find_and_modify(body)
    query, project = document(body, "query"), compile_projection(document(body, "fields"))
    old, writes = _first(call, query, document(body, "sort")), Writes(call)
    if body.get("remove"):
        if old is None:
            return _removed(None)
        writes.collection().delete(old)
        return _removed(project(old))
    change = compile_update(body["update"], body.get("arrayFilters"))
    if old is not None:
        new = change.apply(old, query)
        _store(writes, old, new)
        return _changed(project(new if body.get("new") else old), existing=True)
    if not body.get("upsert"):
        return _changed(None, existing=False)
    new = change.insert(query)
    writes.insert(new)
    return _changed(
        project(new) if body.get("new") else None, existing=False, upserted={"upserted": new["_id"]}
    )


def _first(call: Call, query: Document, sort: Document) -> Document | None:
    check_sort(sort)
    if "$natural" in sort:
        raise not_implemented("'$natural' in the command 'findAndModify'")
    collection = call.collection()
    check_hint(collection, call.body.get("hint"))
    found = find_documents(collection, query, call.tick)
    return min(found, key=document_sorter(sort), default=None) if sort else next(found, None)


def _check_find_and_modify(body: Document) -> None:
    remove = bool(body.get("remove"))
    if remove == ("update" in body):
        raise CommandError(9, "Either an update or remove=true must be specified, and not both")
    if remove and (body.get("new") or body.get("upsert")):
        raise CommandError(9, "Cannot specify new=true or upsert=true with remove=true")


def _removed(value: Document | None) -> Document:
    return {"lastErrorObject": {"n": int(value is not None)}, "value": value}


def _changed(value: Document | None, *, existing: bool, upserted: Document | None = None) -> Document:
    number = int(existing or upserted is not None)
    return {
        "lastErrorObject": {"n": number, "updatedExisting": existing, **(upserted or {})},
        "value": value,
    }


def _refuse_unknown(one: Document, known: frozenset[str], name: str) -> None:
    for key, value in one.items():
        if key not in known and value is not None:
            raise not_implemented(f"'{key}' in the command '{name}'")
