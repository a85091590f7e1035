"""Validators: what they let pass, how they explain what they refuse, and which schemas are none."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from bson import Decimal128, Int64

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.server_log import ServerLog
from lab_support.documents.embedded.validation import check_validator, compile_schema, validate_write

Document = dict[str, Any]


@dataclass
class FakeCollection:
    """What a validator looks at of a collection."""

    options: Document = field(default_factory=dict)
    namespace: str = "shop.users"


def schema_of(rules: Document) -> Document:
    return {"$jsonSchema": {"bsonType": "object", "properties": {"a": rules}}}


def write(validator: Document, new: Document, old: Document | None = None, **options: str) -> ServerLog:
    log = ServerLog()
    collection: Any = FakeCollection({"validator": validator, **options})
    validate_write(collection, new, old, log)
    return log


def refusal(validator: Document, new: Document, **options: str) -> Document:
    with pytest.raises(CommandError) as caught:
        write(validator, new, **options)
    assert (caught.value.code, caught.value.message) == (121, "Document failed validation")
    told: Document = caught.value.details["errInfo"]
    return told


GOOD: dict[str, tuple[Document, Any]] = {
    "a string": ({"bsonType": "string"}, "x"),
    "one of several types": ({"bsonType": ["int", "long"]}, Int64(1)),
    "number is every number": ({"bsonType": "number"}, Decimal128("1")),
    "type number is JSON's": ({"type": "number"}, 1.5),
    "a length is for strings": ({"minLength": 3}, 1),
    "a bound is for numbers": ({"minimum": 3}, "x"),
    "a bound takes equal": ({"minimum": 3}, 3.0),
    "a bound of decimals": ({"minimum": Decimal128("0.01")}, Decimal128("0.010")),
    "the pattern is searched": ({"pattern": "b"}, "abc"),
    "characters are counted": ({"maxLength": 2}, "éü"),
    "null may be in an enum": ({"enum": ["m", None]}, None),
    "1.0 is 1 in an enum": ({"enum": [1]}, 1.0),
    "items are for arrays": ({"items": {"bsonType": "int"}}, "x"),
    "unique items": ({"uniqueItems": True}, [1, "1", True]),
    "not": ({"not": {"bsonType": "string"}}, 1),
    "multiple of a decimal": ({"multipleOf": Decimal128("0.01")}, Decimal128("1.25")),
}

BAD: dict[str, tuple[Document, Any, Document]] = {
    "bsonType": (
        {"bsonType": "int"},
        1.5,
        {"specifiedAs": {"bsonType": "int"}, "reason": "type did not match", "consideredType": "double"},
    ),
    "type": ({"type": "string"}, True, {"reason": "type did not match", "consideredType": "bool"}),
    "minimum": ({"minimum": 3}, 2, {"reason": "comparison failed", "consideredValue": 2}),
    "maximum": (
        {"maximum": 3, "exclusiveMaximum": True},
        3,
        {"specifiedAs": {"maximum": 3, "exclusiveMaximum": True}, "reason": "comparison failed"},
    ),
    "minLength": ({"minLength": 2}, "x", {"reason": "specified string length was not satisfied"}),
    "maxLength": ({"maxLength": 2}, "xyz", {"reason": "specified string length was not satisfied"}),
    "pattern": (
        {"pattern": "^x"},
        "yx",
        {"reason": "regular expression did not match", "consideredValue": "yx"},
    ),
    "enum": ({"enum": [1, "m"]}, True, {"reason": "value was not found in enum"}),
    "minItems": ({"minItems": 1}, [], {"reason": "array did not match specified length"}),
    "maxItems": ({"maxItems": 1}, [1, 2], {"reason": "array did not match specified length"}),
    "uniqueItems": ({"uniqueItems": True}, [1, 1.0], {"duplicatedValue": 1.0}),
    "items": ({"items": {"bsonType": "int"}}, [1, "x"], {"itemIndex": 1}),
    "multipleOf": ({"multipleOf": 5}, 7, {"consideredValue": 7}),
    "minProperties": ({"minProperties": 2}, {"b": 1}, {"numberOfProperties": 1}),
    "required": ({"required": ["b", "c"]}, {"b": 1}, {"missingProperties": ["c"]}),
    "additionalProperties": (
        {"properties": {"b": {}}, "additionalProperties": False},
        {"b": 1, "z": 2},
        {"specifiedAs": {"additionalProperties": False}, "additionalProperties": ["z"]},
    ),
    "oneOf": ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, 3, {"matchingSchemaIndexes": [0, 1]}),
    "not": ({"not": {"bsonType": "int"}}, 3, {"reason": "child expression matched"}),
    "dependencies": (
        {"dependencies": {"card": ["address"]}},
        {"card": 1},
        {"failingDependencies": [{"conditionalProperty": "card", "missingProperties": ["address"]}]},
    ),
}

NO_SCHEMAS: dict[str, tuple[Any, int]] = {
    "no document": (3, 14),
    "an unknown keyword": ({"minLenght": 1}, 9),
    "a keyword MongoDB has not": ({"format": "email"}, 9),
    "an unknown type": ({"properties": {"a": {"bsonType": "text"}}}, 2),
    "an unsupported type": ({"type": "integer"}, 9),
    "both kinds of type": ({"type": "string", "bsonType": "string"}, 9),
    "nothing required": ({"required": []}, 9),
    "required twice": ({"required": ["a", "a"]}, 9),
    "required as a flag": ({"properties": {"a": {"required": True}}}, 14),
    "a bound as text": ({"minimum": "0"}, 14),
    "exclusive of nothing": ({"exclusiveMinimum": True}, 9),
    "exclusive as a number": ({"minimum": 0, "exclusiveMinimum": 0}, 14),
    "a negative length": ({"minLength": -1}, 9),
    "a broken pattern": ({"pattern": "("}, 51091),
    "an empty enum": ({"enum": []}, 9),
    "an enum with a repetition": ({"enum": [1, 1.0]}, 9),
    "a property that is no schema": ({"properties": {"a": "string"}}, 14),
    "an empty anyOf": ({"anyOf": []}, 2),
}


@pytest.mark.parametrize("case", GOOD)
def test_value_that_meets_the_schema_passes(case: str) -> None:
    """Each keyword looks only at values of its own kind."""
    rules, value = GOOD[case]

    assert not compile_schema(schema_of(rules)["$jsonSchema"]).unmet({"a": value})


@pytest.mark.parametrize("keyword", BAD)
def test_unmet_keyword_is_explained(keyword: str) -> None:
    """By its operator, its argument and the value."""
    rules, value, expected = BAD[keyword]

    told = refusal(schema_of(rules), {"_id": 7, "a": value})

    (unmet,) = told["details"]["schemaRulesNotSatisfied"]
    (field_told,) = unmet["propertiesNotSatisfied"]
    (detail,) = field_told["details"]
    assert told["failingDocumentId"] == 7
    assert field_told["propertyName"] == "a"
    assert detail["operatorName"] == keyword
    assert detail | expected == detail


@pytest.mark.parametrize("case", NO_SCHEMAS)
def test_schema_that_is_none_is_refused(case: str) -> None:
    """Before a collection is made with it."""
    schema, code = NO_SCHEMAS[case]

    with pytest.raises(CommandError) as caught:
        check_validator({"validator": {"$jsonSchema": schema}})

    assert caught.value.code == code


def test_whole_explanation_has_the_documented_form() -> None:
    """Title, description, nested documents and missing fields, as in MongoDB's manual."""
    validator = {
        "$jsonSchema": {
            "bsonType": "object",
            "title": "Student Object Validation",
            "required": ["address", "name"],
            "properties": {
                "address": {
                    "bsonType": "object",
                    "required": ["city"],
                    "properties": {"city": {"bsonType": "string", "description": "must be a string"}},
                }
            },
        }
    }

    told = refusal(validator, {"_id": 1, "address": {"city": 5}})

    assert told == {
        "failingDocumentId": 1,
        "details": {
            "operatorName": "$jsonSchema",
            "title": "Student Object Validation",
            "schemaRulesNotSatisfied": [
                {
                    "operatorName": "properties",
                    "propertiesNotSatisfied": [
                        {
                            "propertyName": "address",
                            "details": [
                                {
                                    "operatorName": "properties",
                                    "propertiesNotSatisfied": [
                                        {
                                            "propertyName": "city",
                                            "description": "must be a string",
                                            "details": [
                                                {
                                                    "operatorName": "bsonType",
                                                    "specifiedAs": {"bsonType": "string"},
                                                    "reason": "type did not match",
                                                    "consideredValue": 5,
                                                    "consideredType": "int",
                                                }
                                            ],
                                        }
                                    ],
                                }
                            ],
                        }
                    ],
                },
                {
                    "operatorName": "required",
                    "specifiedAs": {"required": ["address", "name"]},
                    "missingProperties": ["name"],
                },
            ],
        },
    }


def test_validator_of_query_operators_explains_itself() -> None:
    """A filter is a validator, too."""
    told = refusal({"price": {"$gt": 0}, "$or": [{"a": 1}, {"b": 1}]}, {"_id": 1, "price": 0, "a": 1})

    (clause,) = told["details"]["clausesNotSatisfied"]
    assert told["details"]["operatorName"] == "$and"
    assert clause["details"] == {
        "operatorName": "$gt",
        "specifiedAs": {"price": {"$gt": 0}},
        "reason": "comparison failed",
        "consideredValue": 0,
    }


NAMED = {"$jsonSchema": {"required": ["name"]}}


def test_moderate_level_leaves_legacy_alone() -> None:
    """A document that was invalid may be changed and stay invalid."""
    assert write(NAMED, {"_id": 1, "n": 2}, {"_id": 1}, validationLevel="moderate").lines() == []


def test_moderate_level_protects_what_is_valid() -> None:
    """A valid document cannot be made invalid, and no invalid one comes in."""
    with pytest.raises(CommandError):
        write(NAMED, {"_id": 1}, {"_id": 1, "name": "x"}, validationLevel="moderate")
    with pytest.raises(CommandError):
        write(NAMED, {"_id": 1}, validationLevel="moderate")


def test_strict_level_refuses_legacy() -> None:
    """Any change of an invalid document has to make it valid."""
    with pytest.raises(CommandError):
        write(NAMED, {"_id": 1, "n": 2}, {"_id": 1})


def test_level_off_lets_everything_pass() -> None:
    """The validator stays but is not asked."""
    assert write(NAMED, {"_id": 1}, validationLevel="off").lines() == []


def test_action_warn_writes_what_it_lets_pass() -> None:
    """One line of the log with the document and the explanation."""
    (line,) = write(NAMED, {"_id": 41}, validationAction="warn").lines()

    assert '"id": 20294' in line
    assert '"missingProperties": ["name"]' in line
    assert '"namespace": "shop.users"' in line


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"validationLevel": "lax"}, 2),
        ({"validationAction": "log"}, 2),
        ({"validationAction": "errorAndLog"}, 238),
        ({"validator": 3}, 14),
        ({"validator": {"$where": "true"}}, 238),
        ({"validator": {"a": {"$gtt": 1}}}, 2),
    ],
    ids=["level", "action", "newer action", "number", "JavaScript", "operator"],
)
def test_unusable_options_are_refused(options: Document, code: int) -> None:
    """Each with MongoDB's code."""
    with pytest.raises(CommandError) as caught:
        check_validator(options)

    assert caught.value.code == code
