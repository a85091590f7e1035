"""Where BSON adds nothing, a schema means what JSON Schema's draft 4 means by it; an independent validator says so."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from lab_support.documents.embedded.validation import compile_schema

TYPES = ("object", "array", "number", "boolean", "string", "null")

numbers = st.integers(-3, 5) | st.sampled_from([0.5, 1.0, 2.5])
scalars = st.none() | st.booleans() | numbers | st.sampled_from(["", "a", "ab", "abc", "b"])
names = st.sampled_from(["a", "b", "c", "ab"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
counts = st.integers(0, 3)


def unique(inner: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[list[Any]]:
    """Give lists without repetitions."""
    return st.lists(inner, min_size=least, max_size=3, unique=True)


def keywords(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Give arguments for each keyword that both know."""
    by_name = st.dictionaries(names, inner, max_size=3)
    several = st.lists(inner, min_size=1, max_size=3)
    return {
        "type": st.sampled_from(TYPES) | unique(st.sampled_from(TYPES)),
        "enum": unique(st.sampled_from([None, "a", 2.5, 7])) | st.just([True, "ab"]),
        "minimum": numbers,
        "maximum": numbers,
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": counts,
        "maxLength": counts,
        "pattern": st.sampled_from(["^a", "b$", "a.?c", ""]),
        "minItems": counts,
        "maxItems": counts,
        "uniqueItems": st.booleans(),
        "items": inner | several,
        "additionalItems": st.booleans() | inner,
        "required": unique(names),
        "properties": by_name,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=2),
        "additionalProperties": st.booleans() | inner,
        "minProperties": counts,
        "maxProperties": counts,
        "dependencies": st.dictionaries(names, unique(names) | inner, max_size=2),
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
    }


def some_of(arguments: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Give schemas of a few keywords."""
    chosen = st.lists(st.sampled_from(sorted(arguments)), min_size=1, max_size=4, unique=True)
    return chosen.flatmap(lambda picked: st.fixed_dictionaries({name: arguments[name] for name in picked}))


schemas = st.recursive(
    some_of(keywords(st.just({"type": "string"}))), lambda inner: some_of(keywords(inner)), max_leaves=6
)


@given(schemas, values)
def test_schema_without_bson_agrees_with_draft_4(schema: dict[str, Any], value: Any) -> None:
    """Valid for one is valid for the other."""
    wrapped = {"properties": {"x": schema}}
    document = {"x": value}

    assert (not compile_schema(wrapped).unmet(document)) == Draft4Validator(wrapped).is_valid(document)


@given(schemas, values)
def test_what_is_unmet_is_told(schema: dict[str, Any], value: Any) -> None:
    """Each unmet rule names its operator, all the way down."""
    for detail in compile_schema({"properties": {"x": schema}}).unmet({"x": value}):
        assert detail["operatorName"] == "properties"
        for told in detail["propertiesNotSatisfied"]:
            assert told["propertyName"] == "x"
            assert {inner["operatorName"] for inner in told["details"]} <= set(schema)
