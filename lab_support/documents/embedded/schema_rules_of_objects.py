"""The keywords of `$jsonSchema` that look at the fields of a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lab_support.documents.embedded.regexes import bounded_pattern
from lab_support.documents.embedded.schema_unmet import Rule, UnmetError, details_of, failure
from lab_support.documents.embedded.value_tests import as_whole_number


def _properties(
    validator: Any, argument: Mapping[str, Any], value: Any, _schema: Any
) -> Iterator[UnmetError]:
    if not isinstance(value, Mapping):
        return
    unmet = []
    for name, rules in argument.items():
        details = details_of(validator, value[name], rules) if name in value else []
        if details:
            told = {key: rules[key] for key in ("title", "description") if key in rules}
            unmet.append({"propertyName": name, **told, "details": details})
    if unmet:
        yield UnmetError({"operatorName": "properties", "propertiesNotSatisfied": unmet})


def _required(_v: Any, argument: list[str], value: Any, _schema: Any) -> Iterator[UnmetError]:
    missing = [name for name in argument if name not in value] if isinstance(value, Mapping) else []
    if missing:
        yield UnmetError({
            "operatorName": "required",
            "specifiedAs": {"required": argument},
            "missingProperties": missing,
        })  # fmt: skip


def _pattern_properties(
    validator: Any, argument: Mapping[str, Any], value: Any, _schema: Any
) -> Iterator[UnmetError]:
    if not isinstance(value, Mapping):
        return
    unmet = []
    for pattern, rules in argument.items():
        compiled = bounded_pattern(pattern)
        for name in value:
            details = details_of(validator, value[name], rules) if compiled.found_in(name) else []
            if details:
                unmet.append({"propertyName": name, "regexMatched": pattern, "details": details})
    if unmet:
        yield UnmetError({"operatorName": "patternProperties", "details": unmet})


def _additional_properties(
    validator: Any, argument: Any, value: Any, schema: Mapping[str, Any]
) -> Iterator[UnmetError]:
    if not isinstance(value, Mapping) or argument is True:
        return
    extra = _undeclared(value, schema)
    if argument is False:
        if extra:
            specified = {"additionalProperties": False}
            yield UnmetError({
                "operatorName": "additionalProperties",
                "specifiedAs": specified,
                "additionalProperties": extra,
            })  # fmt: skip
        return
    for name in extra:
        details = details_of(validator, value[name], argument)
        if details:
            reason = "at least one additional property did not match the subschema"
            yield failure("additionalProperties", None, reason, failingProperty=name, details=details)
            return


def _undeclared(value: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    declared = schema.get("properties", {})
    patterns = [bounded_pattern(pattern) for pattern in schema.get("patternProperties", {})]
    return [
        name
        for name in value
        if name not in declared and not any(pattern.found_in(name) for pattern in patterns)
    ]


def _count(keyword: str, sign: int) -> Rule:
    def rule(_v: Any, argument: Any, value: Any, _schema: Any) -> Iterator[UnmetError]:
        limit = as_whole_number(argument) or 0
        if isinstance(value, Mapping) and (len(value) - limit) * sign < 0:
            reason = "specified number of properties was not satisfied"
            yield failure(keyword, {keyword: argument}, reason, numberOfProperties=len(value))

    return rule


def _dependencies(
    validator: Any, argument: Mapping[str, Any], value: Any, _schema: Any
) -> Iterator[UnmetError]:
    if not isinstance(value, Mapping):
        return
    unmet: list[dict[str, Any]] = []
    for name, dependency in argument.items():
        if name not in value:
            continue
        if isinstance(dependency, list):
            missing = [other for other in dependency if other not in value]
            if missing:
                unmet.append({"conditionalProperty": name, "missingProperties": missing})
        elif details := details_of(validator, value, dependency):
            unmet.append({"conditionalProperty": name, "details": details})
    if unmet:
        yield UnmetError({"operatorName": "dependencies", "failingDependencies": unmet})


OBJECT_RULES: Final[dict[str, Rule]] = {
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "required": _required,
    "minProperties": _count("minProperties", 1),
    "maxProperties": _count("maxProperties", -1),
    "dependencies": _dependencies,
}
