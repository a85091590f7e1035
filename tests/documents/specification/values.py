"""Compares what a case expects with what the driver gave."""

from collections.abc import Mapping
from typing import Any

from bson import Int64
from pymongo.errors import BulkWriteError
from pymongo.results import BulkWriteResult, DeleteResult, InsertManyResult, InsertOneResult, UpdateResult

NOTHING = object()


def difference(expected: Any, actual: Any, *, root: bool = True) -> str | None:
    """Tell the first difference; None where the value is as expected.

    A document at the root may have more fields than expected, as the specification has it.
    """
    if isinstance(expected, Mapping):
        operator = next(iter(expected), "")
        if operator.startswith("$$"):
            return _special(operator, expected[operator], actual)
        return _documents(expected, actual, root=root)
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(expected) != len(actual):
            return f"expected {expected!r}, got {actual!r}"
        differences = [difference(one, other, root=root) for one, other in zip(expected, actual, strict=True)]
        return next((found for found in differences if found), None)
    same_kind = isinstance(expected, bool) == isinstance(actual, bool)
    return None if same_kind and expected == actual else f"expected {expected!r}, got {actual!r}"


def _documents(expected: Mapping[str, Any], actual: Any, *, root: bool) -> str | None:
    if not isinstance(actual, Mapping):
        return f"expected {expected!r}, got {actual!r}"
    for name, value in expected.items():
        found = difference(value, actual.get(name, NOTHING), root=False)
        if found:
            return f"{name}: {found}"
    extra = set() if root else set(actual) - set(expected)
    return f"did not expect {sorted(extra)}" if extra else None


def _special(operator: str, argument: Any, actual: Any) -> str | None:
    if operator == "$$unsetOrMatches":
        return None if actual in (NOTHING, None) else difference(argument, actual, root=False)
    if operator == "$$exists":
        return None if (actual is not NOTHING) == argument else f"exists: {not argument}"
    if operator == "$$type":
        kinds = {"int": int, "long": Int64, "string": str, "object": dict, "array": list}
        return None if isinstance(actual, kinds[argument]) else f"{actual!r} is no {argument}"
    raise AssertionError(f"The runner does not know {operator}.")


def plain_result(result: Any) -> Any:
    """Give a result of PyMongo in the specification's words."""
    if getattr(result, "acknowledged", True) is False:
        return {"acknowledged": False}
    if isinstance(result, InsertOneResult):
        return {"insertedId": result.inserted_id}
    if isinstance(result, InsertManyResult):
        return {"insertedIds": {str(index): value for index, value in enumerate(result.inserted_ids)}}
    if isinstance(result, DeleteResult):
        return {"deletedCount": result.deleted_count}
    if isinstance(result, UpdateResult):
        return _plain_update(result)
    if isinstance(result, BulkWriteResult):
        return plain_bulk(result.bulk_api_result)
    return result


def _plain_update(result: UpdateResult) -> dict[str, Any]:
    counts = {"matchedCount": result.matched_count, "modifiedCount": result.modified_count}
    upserted = {} if result.upserted_id is None else {"upsertedId": result.upserted_id}
    return {**counts, "upsertedCount": len(upserted), **upserted}


def plain_bulk(result: Mapping[str, Any]) -> dict[str, Any]:
    """Give the counts of a bulk write in the specification's words."""
    upserted = {str(entry["index"]): entry["_id"] for entry in result.get("upserted", [])}
    names = {
        "deletedCount": "nRemoved",
        "insertedCount": "nInserted",
        "matchedCount": "nMatched",
        "modifiedCount": "nModified",
        "upsertedCount": "nUpserted",
    }
    counts: dict[str, Any] = {name: result.get(source, 0) for name, source in names.items()}
    return {**counts, "upsertedIds": upserted}


def error_difference(expected: Mapping[str, Any], error: Exception) -> str | None:
    """Tell how an error differs from the expected one; None where it fits."""
    details = getattr(error, "details", None) or {}
    told = f"{type(error).__name__}: {error}"
    if "isClientError" in expected and expected["isClientError"] != (not details):
        return f"expected {'no' if expected['isClientError'] else 'an'} answer of the server, got {told}"
    if "errorContains" in expected and expected["errorContains"].lower() not in str(error).lower():
        return f"expected {expected['errorContains']!r} in the error, got {told}"
    if "errorCode" in expected and expected["errorCode"] != _code(error, details):
        return f"expected code {expected['errorCode']}, got {told}"
    if "errorResponse" in expected and (found := difference(expected["errorResponse"], details)):
        return f"the answer differs: {found}"
    if "expectResult" in expected and isinstance(error, BulkWriteError):
        return difference(expected["expectResult"], plain_bulk(details))
    return None


def _code(error: Exception, details: Mapping[str, Any]) -> Any:
    writes = details.get("writeErrors") or [{}]
    return details.get("code", writes[0].get("code", getattr(error, "code", None)))
