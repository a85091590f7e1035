"""Why a document does not meet a filter, for validators that are written with query operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lab_support.documents.embedded.kinds import type_alias
from lab_support.documents.embedded.matching import compile_filter, is_operator_document
from lab_support.documents.embedded.ordering import MISSING
from lab_support.documents.embedded.paths import values_at

Explain = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]

_REASONS: Final = {
    "$in": "no matching value found in array",
    "$nin": "matching value found in array",
    "$type": "type did not match",
    "$regex": "regular expression did not match",
    "$exists": "path does not exist",
    "$size": "array length was not equal to given size",
    "$mod": "$mod did not evaluate to expected remainder",
    "$elemMatch": "array did not satisfy the child predicate",
    "$not": "child expression matched",
    "$ne": "comparison failed",
}


def unmet_filter(
    query: Mapping[str, Any], document: Mapping[str, Any], explain_schema: Explain
) -> dict[str, Any]:
    """The `details` of `errInfo` for a document that the filter does not find.

    Args:
        query: The validator.
        document: What it refuses.
        explain_schema: Tells about a `$jsonSchema` among the parts.
    """
    clauses = [{name: argument} for name, argument in query.items()]
    if len(clauses) == 1:
        return _unmet_clause(clauses[0], document, explain_schema)
    return _branches("$and", clauses, document, explain_schema)


def _unmet_clause(clause: Mapping[str, Any], document: Mapping[str, Any], explain: Explain) -> dict[str, Any]:
    ((name, argument),) = clause.items()
    if name == "$jsonSchema":
        return explain(argument, document)
    if name in ("$and", "$or"):
        return _branches(name, argument, document, explain)
    if name.startswith("$"):
        reason = "child expression matched" if name == "$nor" else "expression did not match"
        return {"operatorName": name, "specifiedAs": dict(clause), "reason": reason}
    if is_operator_document(argument) and len(argument) > 1 and "$regex" not in argument:
        parts = [{name: {operator: operand}} for operator, operand in argument.items()]
        return _branches("$and", parts, document, explain)
    return _unmet_field(name, argument, document)


def _branches(name: str, clauses: list[Any], document: Mapping[str, Any], explain: Explain) -> dict[str, Any]:
    unmet = [
        {"index": position, "details": unmet_filter(clause, document, explain)}
        for position, clause in enumerate(clauses)
        if not compile_filter(clause)(document)
    ]
    return {"operatorName": name, "clausesNotSatisfied": unmet}


def _unmet_field(path: str, argument: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    operator = next(iter(argument)) if is_operator_document(argument) else "$eq"
    told: dict[str, Any] = {"operatorName": operator, "specifiedAs": {path: argument}}
    values = [value for value in values_at(document, path.split(".")) if value is not MISSING]
    if not values:
        return told | {"reason": _REASONS["$exists"] if operator == "$exists" else "field was missing"}
    if operator == "$exists":
        return told | {"reason": "path does exist"}
    told["reason"] = _REASONS.get(operator, "comparison failed")
    told |= {"consideredValue": values[0]} if len(values) == 1 else {"consideredValues": values}
    if operator == "$type":
        told["consideredType"] = type_alias(values[0])
    return told
