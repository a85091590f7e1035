"""The stage `$lookup`: documents of another collection, joined by equality or by a pipeline.

Section:
    13.8, "Consistency across collections"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.grouping import Stage
from lab_support.documents.embedded.ordering import MISSING, Key, sort_key
from lab_support.documents.embedded.paths import leaves_at
from lab_support.documents.embedded.places import copied

Document = dict[str, Any]
Fetch = Callable[[str], Iterable[Document]]

_KEYS = frozenset({"from", "localField", "foreignField", "as", "pipeline"})


def compile_lookup(spec: Any, fetch: Fetch, compile_pipeline: Callable[[Any, Fetch], Stage]) -> Stage:
    """Make the stage.

    Raises:
        CommandError: A key is missing or unknown (code 9), or `let` is asked for (code 238).
    """
    if not isinstance(spec, dict) or not all(type(spec.get(key)) is str for key in ("from", "as")):
        raise CommandError(9, "$lookup needs 'from' and 'as', both strings")
    if "let" in spec:
        raise not_implemented("'let' in $lookup")
    if unknown := spec.keys() - _KEYS:
        raise CommandError(9, f"unknown argument to $lookup: {min(unknown)}")
    if ("localField" in spec) != ("foreignField" in spec) or not spec.keys() & {"localField", "pipeline"}:
        raise CommandError(9, "$lookup needs both 'localField' and 'foreignField', or a 'pipeline'")
    if not all(type(spec.get(key, "")) is str for key in ("localField", "foreignField")):
        raise CommandError(9, "'localField' and 'foreignField' of $lookup are paths of fields")
    narrow = compile_pipeline(spec.get("pipeline", []), fetch)
    source, target = spec["from"], spec["as"]
    if "localField" not in spec:
        return lambda documents: _attach_all(documents, target, lambda: list(narrow(fetch(source))))
    local, foreign = spec["localField"].split("."), spec["foreignField"].split(".")

    def run(documents: Iterable[Document]) -> Iterator[Document]:
        known = _by_key(fetch(source), foreign)
        for document in documents:
            yield _attached(document, target, list(narrow(_partners(document, local, known))))

    return run


def _by_key(documents: Iterable[Document], path: list[str]) -> dict[Key, list[Document]]:
    known: dict[Key, list[Document]] = {}
    for document in documents:
        for key in {sort_key(value) for value in leaves_at(document, path)}:
            known.setdefault(key, []).append(document)
    return known


def _partners(document: Document, path: list[str], known: dict[Key, list[Document]]) -> list[Document]:
    values = [value for value in leaves_at(document, path) if not isinstance(value, list)]
    found: dict[int, Document] = {}
    for key in dict.fromkeys(sort_key(value) for value in values or [MISSING]):
        found.update((id(one), one) for one in known.get(key, []))
    return list(found.values())


def _attach_all(
    documents: Iterable[Document], target: str, found: Callable[[], list[Document]]
) -> Iterator[Document]:
    partners = found()
    for document in documents:
        yield _attached(document, target, partners)


def _attached(document: Document, target: str, partners: list[Document]) -> Document:
    if "." in target:
        raise not_implemented("a dotted path in 'as' of $lookup")
    return {**document, target: copied(partners)}
