"""The command `aggregate`.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lab_support.documents.embedded.aggregating import compile_pipeline
from lab_support.documents.embedded.commands.arguments import batch_size, document
from lab_support.documents.embedded.commands.hints import check_hint
from lab_support.documents.embedded.commands.registry import Call, command
from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.finding import find_documents

Document = dict[str, Any]


@command("aggregate", "pipeline cursor allowDiskUse readConcern writeConcern hint bypassDocumentValidation")
def aggregate(call: Call) -> Document:
    """Send the documents of a collection through a pipeline."""
    pipeline = call.body.get("pipeline")
    run = compile_pipeline(pipeline, lambda name: _documents(call, name))
    if not isinstance(call.body["aggregate"], str):
        raise not_implemented("aggregations without a collection")
    if "cursor" not in call.body:
        raise CommandError(
            9, "The 'cursor' option is required, except for aggregate with the explain argument"
        )
    options = document(call.body, "cursor")
    size = batch_size(options)
    check_hint(call.collection(), call.body.get("hint"))
    found = iter(run(_source(call, pipeline)))
    cursors = call.engine.cursors
    return {"cursor": cursors.first_batch(call.namespace, found, call.connection.number, size=size)}


def _source(call: Call, pipeline: Any) -> Iterable[Document]:
    """Give the documents for the first stage; a first `$match` on `_id` saves the walk."""
    first = pipeline[0].get("$match") if pipeline else None
    return find_documents(call.collection(), first if isinstance(first, dict) else {}, call.tick)


def _documents(call: Call, name: str) -> Iterator[Document]:
    return find_documents(call.storage.find(call.database, name), {}, call.tick)
