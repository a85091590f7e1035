"""Pipelines: the stages that are taught, each compiled once.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.expressions import compile_expression
from lab_support.documents.embedded.grouping import Stage, compile_group
from lab_support.documents.embedded.joining import Fetch, compile_lookup
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.ordering import MISSING, document_sorter
from lab_support.documents.embedded.projecting import compile_additions, compile_projection
from lab_support.documents.embedded.sorting import check_sort
from lab_support.documents.embedded.unwinding import compile_unwind
from lab_support.documents.embedded.value_tests import as_whole_number

Document = dict[str, Any]

_UPDATE_STAGES = frozenset({"$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith"})
_KNOWN_ELSEWHERE = frozenset({
    "$bucket", "$bucketAuto", "$collStats", "$currentOp", "$densify", "$documents", "$fill", "$geoNear",
    "$graphLookup", "$indexStats", "$listLocalSessions", "$listSessions", "$merge", "$out", "$planCacheStats",
    "$redact", "$search", "$searchMeta", "$setWindowFields", "$sharedDataDistribution", "$unionWith", "$vectorSearch",
})  # fmt: skip


def compile_pipeline(stages: Any, fetch: Fetch) -> Stage:
    """Make a function that sends documents through all stages.

    Args:
        stages: The pipeline.
        fetch: Gives the documents of another collection, for `$lookup`.

    Raises:
        CommandError: A stage is malformed (code 40323, 40324, …) or not supported (code 238, 40573).
    """
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise CommandError(14, "'pipeline' must be an array of documents")
    compiled = [_stage(stage, fetch) for stage in stages]

    def run(documents: Iterable[Document]) -> Iterable[Document]:
        for stage in compiled:
            documents = stage(documents)
        return documents

    return run


def compile_update_pipeline(stages: list[Any]) -> Callable[[Document], Document]:
    """Make the function of an update that is a pipeline.

    Raises:
        CommandError: A stage cannot stand in an update (code 72), or is malformed.
    """
    for stage in stages:
        if not isinstance(stage, dict) or not stage.keys() <= _UPDATE_STAGES:
            raise CommandError(72, f"{stage} is not allowed to be used within an update")
    run = compile_pipeline(stages, lambda _: [])
    return lambda document: next(iter(run([document])))


def _stage(stage: Document, fetch: Fetch) -> Stage:
    if len(stage) != 1:
        raise CommandError(40323, "A pipeline stage specification object must contain exactly one field.")
    name, spec = next(iter(stage.items()))
    if name == "$changeStream":
        raise CommandError(40573, "The $changeStream stage is only supported on replica sets")
    if name in ("$lookup", "$facet"):
        return _joined(name, spec, fetch)
    if name in _STAGES:
        return _STAGES[name](spec)
    if name in _KNOWN_ELSEWHERE:
        raise not_implemented(f"the stage {name}")
    raise CommandError(40324, f"Unrecognized pipeline stage name: '{name}'")


def _joined(name: str, spec: Any, fetch: Fetch) -> Stage:
    if name == "$lookup":
        return compile_lookup(spec, fetch, compile_pipeline)
    if not isinstance(spec, dict) or not spec:
        raise CommandError(40169, "the $facet specification must be a non-empty object")
    parts = {key: compile_pipeline(stages, fetch) for key, stages in spec.items()}

    def run(documents: Iterable[Document]) -> Iterator[Document]:
        found = list(documents)
        yield {key: list(part(found)) for key, part in parts.items()}

    return run


def _match(spec: Any) -> Stage:
    matches = compile_filter(_document("$match", spec))
    return lambda documents: filter(matches, documents)


def _project(spec: Any) -> Stage:
    if not _document("$project", spec):
        raise CommandError(51272, "$project needs at least one field")
    project = compile_projection(spec, in_pipeline=True)
    return lambda documents: map(project, documents)


def _add_fields(spec: Any) -> Stage:
    add = compile_additions(_document("$addFields", spec))
    return lambda documents: map(add, documents)


def _unset(spec: Any) -> Stage:
    paths = [spec] if type(spec) is str else spec
    if not isinstance(paths, list) or not paths or not all(type(path) is str for path in paths):
        raise CommandError(31120, "$unset takes the path of a field, or an array of such paths")
    return _project(dict.fromkeys(paths, 0))


def _sort(spec: Any) -> Stage:
    if not _document("$sort", spec):
        raise CommandError(15976, "$sort stage must have at least one sort key")
    check_sort(spec)
    if "$natural" in spec:
        raise not_implemented("'$natural' in $sort")
    key = document_sorter(spec)
    return lambda documents: sorted(documents, key=key)


def _limit(spec: Any) -> Stage:
    most = as_whole_number(spec)
    if most is None or most <= 0:
        raise CommandError(15958, f"the limit must be a positive whole number, not {spec!r}")
    return lambda documents: islice(documents, min(most, sys.maxsize))


def _skip(spec: Any) -> Stage:
    number = as_whole_number(spec)
    if number is None or number < 0:
        raise CommandError(15956, f"$skip takes a whole number from 0 up, not {spec!r}")
    return lambda documents: islice(documents, min(number, sys.maxsize), None)


def _count(spec: Any) -> Stage:
    if type(spec) is not str or not spec or spec.startswith("$") or "." in spec:
        raise CommandError(40156, "the count field must be a non-empty string without '$' and '.'")

    def run(documents: Iterable[Document]) -> Iterator[Document]:
        if number := sum(1 for _ in documents):
            yield {spec: number}

    return run


def _sort_by_count(spec: Any) -> Stage:
    group = compile_group({"_id": spec, "count": {"$sum": 1}})
    return lambda documents: sorted(group(documents), key=lambda one: -one["count"])


def _replace_with(spec: Any) -> Stage:
    evaluate = compile_expression(spec)

    def replace(document: Document) -> Document:
        new = evaluate(document)
        if not isinstance(new, dict):
            shown = "missing" if new is MISSING else repr(new)
            raise CommandError(
                40228, f"'newRoot' expression must evaluate to an object, but resulting value was: {shown}"
            )
        return new

    return lambda documents: map(replace, documents)


def _replace_root(spec: Any) -> Stage:
    if not isinstance(spec, dict) or spec.keys() != {"newRoot"}:
        raise CommandError(40231, "$replaceRoot takes 'newRoot'")
    return _replace_with(spec["newRoot"])


def _sample(spec: Any) -> Stage:
    size = as_whole_number(spec.get("size")) if isinstance(spec, dict) else None
    if size is None or size < 0:
        raise CommandError(28747, "$sample takes 'size', a whole number")
    return lambda documents: random.sample(found := list(documents), min(size, len(found)))


def _document(name: str, spec: Any) -> Document:
    if not isinstance(spec, dict):
        raise CommandError(15959, f"the {name} specification must be an object")
    return spec


_STAGES: Mapping[str, Callable[[Any], Stage]] = {
    "$match": _match,
    "$project": _project,
    "$addFields": _add_fields,
    "$set": _add_fields,
    "$unset": _unset,
    "$group": compile_group,
    "$sort": _sort,
    "$limit": _limit,
    "$skip": _skip,
    "$unwind": compile_unwind,
    "$count": _count,
    "$sortByCount": _sort_by_count,
    "$replaceRoot": _replace_root,
    "$replaceWith": _replace_with,
    "$sample": _sample,
}
