"""Finds the documents of a collection that a filter means; an `_id` in the filter saves the walk.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lab_support.documents.embedded.matching import compile_filter, is_operator_document
from lab_support.documents.embedded.storage import Collection
from lab_support.documents.embedded.value_tests import is_pattern

Document = dict[str, Any]


def find_documents(
    collection: Collection | None, query: Document, tick: Callable[[], None] = lambda: None
) -> Iterator[Document]:
    """Give the documents that a filter means, in the order of insertion.

    Args:
        collection: None for one that does not exist; its filter is checked all the same.
        query: The filter.
        tick: Called for each document that is looked at; may raise to end the search.

    Raises:
        CommandError: The filter is malformed (code 2) or not supported (code 238); raised at once.
    """
    matches = compile_filter(query)
    if collection is None:
        return iter(())
    return _search(_candidates(collection, query), matches, tick)


def _search(
    candidates: Iterable[Document], matches: Callable[[Document], bool], tick: Callable[[], None]
) -> Iterator[Document]:
    for document in candidates:
        tick()
        if matches(document):
            yield document


def _candidates(collection: Collection, query: Document) -> Iterable[Document]:
    if "_id" not in query:
        return collection
    wanted = query["_id"]
    if is_operator_document(wanted):
        if wanted.keys() != {"$eq"}:
            return collection
        wanted = wanted["$eq"]
    if is_pattern(wanted):
        return collection
    found = collection.get(wanted)
    return [] if found is None else [found]
