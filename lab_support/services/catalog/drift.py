"""Drift: which fields the documents really have, counted by the server and held against the declared schema.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from lab_support.documents.types import Document
from lab_support.services.catalog.entities import VALIDATOR
from lab_support.services.catalog.kinds import Kind
from lab_support.services.catalog.mapping import BOOKKEEPING, OFFERED

MISSING: Final = "missing"
PIPELINE: Final[tuple[Document, ...]] = (
    {"$match": OFFERED},
    {"$project": {"kind": 1, "fields": {"$objectToArray": "$$ROOT"}}},
    {"$unwind": "$fields"},
    {"$match": {"fields.k": {"$nin": sorted(BOOKKEEPING)}}},
    {
        "$group": {
            "_id": {"kind": "$kind", "field": "$fields.k", "type": {"$type": "$fields.v"}},
            "count": {"$sum": 1},
            "first": {"$min": "$_id"},
            "last": {"$max": "$_id"},
        }
    },
)
"""Turns each document into pairs of name and value, and counts the pairs by name and type.

The fields that the service keeps for itself are no part of a product. When a document was made stands in its id, so
the smallest and the largest id say first and last.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """How many documents of one kind have a field with values of one type.

    Attributes:
        kind: As stored; None for documents without a kind, or with one that is no text.
        field: Its name at the top level of the document.
        type: The BSON type as `$type` names it, or "missing".
        count: Documents that have it so.
        of: Documents of this kind.
        expected: Whether the declared schema has it so.
        first_seen: When the oldest such document was made; None where nobody knows.
        last_seen: When the newest such document was made; None where nobody knows.
    """

    kind: str | None
    field: str
    type: str
    count: int
    of: int
    expected: bool
    first_seen: datetime | None
    last_seen: datetime | None


def pipeline(kind: Kind | None = None) -> list[Document]:
    """Give the aggregation, over all documents or those of one kind."""
    chosen: list[Document] = [] if kind is None else [{"$match": {"kind": {"$eq": kind}}}]
    return [*chosen, *PIPELINE]


def drift_rows(groups: Iterable[Mapping[str, Any]]) -> list[DriftRow]:
    """Make a table of what the aggregation found; a field that some or all documents lack gets a row for them.

    A field that is null is there, with the type null: it is not missing.
    """
    found: dict[tuple[str | None, str], Counter[str]] = defaultdict(Counter)
    seen: dict[tuple[str | None, str, str], list[Any]] = defaultdict(list)
    for group in groups:
        key = group["_id"]
        kind = key.get("kind") if isinstance(key.get("kind"), str) else None
        found[kind, key["field"]][key["type"]] += group["count"]
        seen[kind, key["field"], key["type"]] += [group["first"], group["last"]]
    totals = {kind: types.total() for (kind, field), types in found.items() if field == "_id"}
    for kind in totals:
        for field in _EXPECTED.get(kind or "", {}):
            found.setdefault((kind, field), Counter())  # a field that no document has gets its row, too
    rows = []
    for (kind, field), types in found.items():
        if lacking := totals[kind] - types.total():
            types[MISSING] = lacking
        rows += [_row(kind, field, type_, count, totals[kind], seen) for type_, count in types.items()]
    return sorted(rows, key=lambda row: (row.kind or "", row.field, -row.count, row.type))


def _row(
    kind: str | None,
    field: str,
    type_: str,
    count: int,
    of: int,
    seen: Mapping[tuple[str | None, str, str], list[Any]],
) -> DriftRow:
    times = [id_.generation_time for id_ in seen.get((kind, field, type_), []) if isinstance(id_, ObjectId)]
    return DriftRow(
        kind=kind,
        field=field,
        type=type_,
        count=count,
        of=of,
        expected=type_ in _EXPECTED.get(kind or "", {}).get(field, ()),
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
    )


def _declared() -> dict[str, dict[str, frozenset[str]]]:
    """Give, for each kind and field, the types that the validator's schema allows."""
    declared = {}
    for one in VALIDATOR.schema["oneOf"]:
        fields = {}
        for name, schema in one["properties"].items():
            types = schema["bsonType"]
            allowed = {types} if isinstance(types, str) else set(types)
            if name not in one["required"] and name != "_id":
                allowed.add(MISSING)
            fields[name] = frozenset(allowed)
        declared[one["properties"]["kind"]["enum"][0]] = fields
    return declared


_EXPECTED: Final = _declared()
