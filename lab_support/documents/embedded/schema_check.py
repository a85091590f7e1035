"""Refuses a `$jsonSchema` that MongoDB would refuse: unknown keywords, wrong arguments, types that BSON has not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lab_support.documents.embedded.errors import (
    BAD_VALUE,
    FAILED_TO_PARSE,
    TYPE_MISMATCH,
    CommandError,
    not_implemented,
)
from lab_support.documents.embedded.kinds import is_number
from lab_support.documents.embedded.ordering import sort_key
from lab_support.documents.embedded.regexes import bounded_pattern
from lab_support.documents.embedded.value_tests import as_whole_number, type_names

JSON_TYPES: Final = frozenset({"object", "array", "number", "boolean", "string", "null"})
_UNSUPPORTED: Final = frozenset({"$ref", "$schema", "default", "definitions", "format", "id"})


def check_schema(schema: Any) -> None:
    """Refuse a schema that cannot be used, its nested schemas included.

    Raises:
        CommandError: Not a document, or an argument of a wrong type (14); an unknown or unsupported keyword or a
            wrong argument (2, 9); encryption (238).
    """
    if not isinstance(schema, Mapping):
        raise CommandError(TYPE_MISMATCH, "$jsonSchema must be an object")
    for keyword, argument in schema.items():
        if keyword in _UNSUPPORTED:
            raise CommandError(FAILED_TO_PARSE, f"$jsonSchema keyword '{keyword}' is not currently supported")
        if keyword in ("encrypt", "encryptMetadata"):
            raise not_implemented(f"the $jsonSchema keyword '{keyword}'")
        if keyword not in _CHECKS:
            raise CommandError(FAILED_TO_PARSE, f"Unknown $jsonSchema keyword: {keyword}")
        _CHECKS[keyword](keyword, argument)
    _check_pairs(schema)


def _check_pairs(schema: Mapping[str, Any]) -> None:
    if "type" in schema and "bsonType" in schema:
        sentence = "Cannot specify both $jsonSchema keywords 'type' and 'bsonType'"
        raise CommandError(FAILED_TO_PARSE, sentence)
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in schema and bound not in schema:
            sentence = f"$jsonSchema keyword '{bound}' must be present if {exclusive} is present"
            raise CommandError(FAILED_TO_PARSE, sentence)


def _demand(holds: bool, code: int, keyword: str, what: str) -> None:
    if not holds:
        raise CommandError(code, f"$jsonSchema keyword '{keyword}' must be {what}")


def _kind(kinds: type | tuple[type, ...], what: str) -> Callable[[str, Any], None]:
    return lambda keyword, argument: _demand(isinstance(argument, kinds), TYPE_MISMATCH, keyword, what)


def _number(keyword: str, argument: Any) -> None:
    _demand(is_number(argument), TYPE_MISMATCH, keyword, "a number")


def _factor(keyword: str, argument: Any) -> None:
    _number(keyword, argument)
    _demand(sort_key(argument) > sort_key(0), FAILED_TO_PARSE, keyword, "greater than 0")


def _count(keyword: str, argument: Any) -> None:
    _number(keyword, argument)
    number = as_whole_number(argument)
    _demand(number is not None and number >= 0, FAILED_TO_PARSE, keyword, "a whole number from 0 on")


def _pattern(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, str), TYPE_MISMATCH, keyword, "a string")
    bounded_pattern(argument)


def _bson_type(keyword: str, argument: Any) -> None:
    members = argument if isinstance(argument, list) else [argument]
    strings = all(isinstance(member, str) for member in members)
    _demand(strings, TYPE_MISMATCH, keyword, "either a string or an array of strings")
    _unique(keyword, members)
    type_names(members)


def _json_type(keyword: str, argument: Any) -> None:
    members = argument if isinstance(argument, list) else [argument]
    strings = all(isinstance(member, str) for member in members)
    _demand(strings, TYPE_MISMATCH, keyword, "either a string or an array of strings")
    _unique(keyword, members)
    for member in members:
        if member == "integer":
            sentence = (
                "$jsonSchema type 'integer' is not currently supported. Use bsonType with 'int' and 'long'."
            )
            raise CommandError(FAILED_TO_PARSE, sentence)
        if member not in JSON_TYPES:
            raise CommandError(BAD_VALUE, f"Unknown type name alias: {member}")


def _unique(keyword: str, members: list[Any]) -> None:
    _demand(bool(members), FAILED_TO_PARSE, keyword, "an array that is not empty")
    distinct = {sort_key(member) for member in members}
    _demand(len(distinct) == len(members), FAILED_TO_PARSE, keyword, "an array without duplicate values")


def _names(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, list), TYPE_MISMATCH, keyword, "an array")
    strings = all(isinstance(name, str) for name in argument)
    _demand(strings, TYPE_MISMATCH, keyword, "an array of strings")
    _unique(keyword, argument)


def _enum(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, list), TYPE_MISMATCH, keyword, "an array")
    _unique(keyword, argument)


def _schemas_by_name(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, Mapping), TYPE_MISMATCH, keyword, "an object")
    for name, schema in argument.items():
        if keyword == "patternProperties":
            _pattern(keyword, name)
        if not isinstance(schema, Mapping):
            sentence = f"Nested schema for $jsonSchema property '{name}' must be an object"
            raise CommandError(TYPE_MISMATCH, sentence)
        check_schema(schema)


def _schema_list(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, list), TYPE_MISMATCH, keyword, "an array")
    _demand(bool(argument), BAD_VALUE, keyword, "an array that is not empty")
    for schema in argument:
        _schema(keyword, schema)


def _schema(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, Mapping), TYPE_MISMATCH, keyword, "an object")
    check_schema(argument)


def _schema_or_flag(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, bool | Mapping), TYPE_MISMATCH, keyword, "either an object or a boolean")
    if isinstance(argument, Mapping):
        check_schema(argument)


def _items(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, list | Mapping), TYPE_MISMATCH, keyword, "either an array or an object")
    for schema in argument if isinstance(argument, list) else [argument]:
        _schema(keyword, schema)


def _dependencies(keyword: str, argument: Any) -> None:
    _demand(isinstance(argument, Mapping), TYPE_MISMATCH, keyword, "an object")
    for dependency in argument.values():
        if isinstance(dependency, list):
            _names(keyword, dependency)
        else:
            _schema(keyword, dependency)


_CHECKS: Final[dict[str, Callable[[str, Any], None]]] = {
    "bsonType": _bson_type,
    "type": _json_type,
    "enum": _enum,
    "minimum": _number,
    "maximum": _number,
    "exclusiveMinimum": _kind(bool, "a boolean"),
    "exclusiveMaximum": _kind(bool, "a boolean"),
    "multipleOf": _factor,
    "minLength": _count,
    "maxLength": _count,
    "pattern": _pattern,
    "minItems": _count,
    "maxItems": _count,
    "uniqueItems": _kind(bool, "a boolean"),
    "items": _items,
    "additionalItems": _schema_or_flag,
    "required": _names,
    "properties": _schemas_by_name,
    "patternProperties": _schemas_by_name,
    "additionalProperties": _schema_or_flag,
    "minProperties": _count,
    "maxProperties": _count,
    "dependencies": _dependencies,
    "allOf": _schema_list,
    "anyOf": _schema_list,
    "oneOf": _schema_list,
    "not": _schema,
    "title": _kind(str, "a string"),
    "description": _kind(str, "a string"),
}
