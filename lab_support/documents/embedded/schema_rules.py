"""The keywords of `$jsonSchema` over BSON values, for the `jsonschema` library.

Each rule yields an `UnmetError` whose `detail` is what MongoDB sends in `errInfo`. Importing this module imports
`jsonschema`, which takes a while: import it when the first schema is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128
from jsonschema import TypeChecker, validators  # type: ignore[import-untyped]

from lab_support.documents.embedded.kinds import is_number, type_alias
from lab_support.documents.embedded.ordering import sort_key
from lab_support.documents.embedded.regexes import bounded_pattern
from lab_support.documents.embedded.schema_rules_of_objects import OBJECT_RULES
from lab_support.documents.embedded.schema_unmet import Rule, UnmetError, details_of, failure
from lab_support.documents.embedded.value_tests import type_names

_JSON_TYPES: Final = {
    "object": {"object"},
    "array": {"array"},
    "number": {"int", "long", "double", "decimal"},
    "boolean": {"bool"},
    "string": {"string"},
    "null": {"null"},
}


def _bson_type(_v: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    if type_alias(value) not in type_names(argument):
        yield _wrong_type("bsonType", argument, value)


def _json_type(_v: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    members = argument if isinstance(argument, list) else [argument]
    if not any(type_alias(value) in _JSON_TYPES[member] for member in members):
        yield _wrong_type("type", argument, value)


def _wrong_type(keyword: str, argument: Any, value: Any) -> UnmetError:
    return failure(
        keyword,
        {keyword: argument},
        "type did not match",
        consideredValue=value,
        consideredType=type_alias(value),
    )


def _enum(_v: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    if all(sort_key(value) != sort_key(member) for member in argument):
        yield failure("enum", {"enum": argument}, "value was not found in enum", consideredValue=value)


def _bound(keyword: str, exclusive: str, sign: int) -> Rule:
    def rule(_v: Any, argument: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[UnmetError]:
        if not is_number(value):
            return
        key, bound = sort_key(value), sort_key(argument)
        outside = key < bound if sign > 0 else key > bound
        if outside or (schema.get(exclusive, False) and key == bound):
            specified = {name: schema[name] for name in (keyword, exclusive) if name in schema}
            yield failure(keyword, specified, "comparison failed", consideredValue=value)

    return rule


def _multiple_of(_v: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    if is_number(value) and not _is_multiple(_plain(value), _plain(argument)):
        reason = "considered value is not a multiple of the specified value"
        yield failure("multipleOf", {"multipleOf": argument}, reason, consideredValue=value)


def _is_multiple(value: Decimal, factor: Decimal) -> bool:
    try:
        return value % factor == 0
    except ArithmeticError:  # infinite, or too far from the factor for 34 digits
        return False


def _plain(number: Any) -> Decimal:
    return Decimal128(str(number)).to_decimal()


def _pattern(_v: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    if isinstance(value, str) and not bounded_pattern(argument).found_in(value):
        yield failure(
            "pattern", {"pattern": argument}, "regular expression did not match", consideredValue=value
        )


def _size(keyword: str, kind: type, reason: str, too_far: Callable[[int, Any], bool]) -> Rule:
    def rule(_v: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
        if isinstance(value, kind) and too_far(len(value), _plain(argument)):  # type: ignore[arg-type]
            yield failure(keyword, {keyword: argument}, reason, consideredValue=value)

    return rule


def _less(size: int, limit: Any) -> bool:
    return bool(size < limit)


def _more(size: int, limit: Any) -> bool:
    return bool(size > limit)


def _unique_items(_v: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    if not argument or not isinstance(value, list):
        return
    seen = set()
    for item in value:
        if sort_key(item) in seen:
            found = {"consideredValue": value, "duplicatedValue": item}
            yield failure("uniqueItems", {"uniqueItems": argument}, "found a duplicate item", **found)
            return
        seen.add(sort_key(item))


def _items(validator: Any, argument: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[UnmetError]:
    if not isinstance(value, list):
        return
    rest = schema.get("additionalItems", True) if isinstance(argument, list) else argument
    first = argument if isinstance(argument, list) else []
    for position, item in enumerate(value):
        keyword = "items" if position < len(first) or not isinstance(argument, list) else "additionalItems"
        rules = first[position] if position < len(first) else rest
        if rules is False:
            extra = value[position:]
            reason = "found additional items"
            yield failure(keyword, {"additionalItems": False}, reason, additionalItems=extra)
            return
        details = [] if rules is True else details_of(validator, item, rules)
        if details:
            yield failure(
                keyword,
                None,
                "At least one item did not match the sub-schema",
                itemIndex=position,
                details=details,
            )
            return


def _all_of(validator: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    unmet = _unmet_of(validator, argument, value)
    if unmet:
        yield UnmetError({"operatorName": "allOf", "schemasNotSatisfied": unmet})


def _any_of(validator: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    unmet = _unmet_of(validator, argument, value)
    if len(unmet) == len(argument):
        yield UnmetError({"operatorName": "anyOf", "schemasNotSatisfied": unmet})


def _one_of(validator: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    unmet = _unmet_of(validator, argument, value)
    failed = [entry["index"] for entry in unmet]
    met = [position for position in range(len(argument)) if position not in failed]
    if not met:
        yield UnmetError({"operatorName": "oneOf", "schemasNotSatisfied": unmet})
    elif len(met) > 1:
        yield failure("oneOf", None, "more than one subschema matched", matchingSchemaIndexes=met)


def _unmet_of(validator: Any, schemas: list[Any], value: Any) -> list[dict[str, Any]]:
    found = [(position, details_of(validator, value, schema)) for position, schema in enumerate(schemas)]
    return [{"index": position, "details": details} for position, details in found if details]


def _not(validator: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
    if not details_of(validator, value, argument):
        yield failure("not", None, "child expression matched", consideredValue=value)


_LENGTH = "specified string length was not satisfied"
_COUNT = "array did not match specified length"
_RULES: Final[dict[str, Rule]] = {
    "minimum": _bound("minimum", "exclusiveMinimum", 1),
    "maximum": _bound("maximum", "exclusiveMaximum", -1),
    "minLength": _size("minLength", str, _LENGTH, _less),
    "maxLength": _size("maxLength", str, _LENGTH, _more),
    "pattern": _pattern,
    "multipleOf": _multiple_of,
    "minItems": _size("minItems", list, _COUNT, _less),
    "maxItems": _size("maxItems", list, _COUNT, _more),
    "uniqueItems": _unique_items,
    "items": _items,
    **OBJECT_RULES,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "enum": _enum,
    "bsonType": _bson_type,
    "type": _json_type,
}


def _in_order(schema: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(keyword, schema[keyword]) for keyword in _RULES if keyword in schema]


BsonValidator: Final[Any] = validators.create(
    meta_schema={},
    validators=_RULES,
    type_checker=TypeChecker(),
    id_of=lambda _: "",
    applicable_validators=_in_order,
)
