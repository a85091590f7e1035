"""A model's `$jsonSchema`: what Pydantic checks in the application, said again in the server's words.

MongoDB knows the keywords of JSON Schema draft 4, has types of its own (`bsonType`) and no references. A field that it
is not told about is allowed, unless the model forbids extra ones.

Section:
    13.8, "Validators: the server refuses"
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from lab_support.documents.objectid import FORMAT as OBJECT_ID

_BSON_TYPES: Final[dict[str, Any]] = {
    "string": "string",
    "integer": ["int", "long"],
    "number": ["double", "int", "long"],
    "boolean": "bool",
    "object": "object",
    "array": "array",
    "null": "null",
}
_FORMATS: Final = {OBJECT_ID: "objectId", "date-time": "date"}
_KEPT: Final = frozenset(
    [
        "bsonType",
        "enum",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "description",
    ]
)
_LIMITS: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


class _BsonSchema(GenerateJsonSchema):
    """Pydantic's generator, but a `Decimal` is a decimal and not text."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Describe money: the digits are the application's business, the bounds are everybody's."""
        found: JsonSchemaValue = {"bsonType": "decimal"}
        for bound, keyword in (("ge", "minimum"), ("le", "maximum")):
            if bound in schema:
                found[keyword] = int(schema[bound])  # type: ignore[literal-required]
        return found


def bson_schema(model: Any) -> dict[str, Any]:
    """Describe the documents of a model, or of a union of models, for a validator.

    Args:
        model: A Pydantic model, or an annotated union of them.

    Returns:
        A schema without references, made of keywords that MongoDB knows.
    """
    found = TypeAdapter(model).json_schema(by_alias=True, schema_generator=_BsonSchema)
    return _translate(found, found.get("$defs", {}))


def _translate(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Translate one schema and those inside it."""
    if "$ref" in schema:
        return _translate(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    found = _type_of(schema) | {name: value for name, value in schema.items() if name in _KEPT}
    if schema.get("format") in _FORMATS:
        found.pop("pattern", None)  # it described the text
    for exclusive, limit in _LIMITS.items():
        if exclusive in schema:
            found[limit], found[exclusive] = schema[exclusive], True
    if "const" in schema:
        found["enum"] = [schema["const"]]
    if schema.get("additionalProperties") is False:
        found["additionalProperties"] = False
    if "items" in schema:
        found["items"] = _translate(schema["items"], definitions)
    if "properties" in schema:
        found["properties"] = {
            name: _translate(inner, definitions) for name, inner in schema["properties"].items()
        }
    if required := [name for name in schema.get("required", ()) if name != "_id"]:
        found["required"] = required
    return found | _choice(schema, definitions)


def _type_of(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("format") in _FORMATS:
        return {"bsonType": _FORMATS[schema["format"]]}
    return {"bsonType": _BSON_TYPES[schema["type"]]} if "type" in schema else {}


def _choice(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Translate "one of these": a type or null becomes two types, a union keeps its name for the kind."""
    if "anyOf" in schema:
        inner = [_translate(one, definitions) for one in schema["anyOf"]]
        real = [one for one in inner if one != {"bsonType": "null"}]
        if len(real) == 1 and len(inner) == 2 and "enum" not in real[0]:
            return real[0] | {"bsonType": [*_several(real[0]["bsonType"]), "null"]}
        return {"anyOf": inner}
    if "oneOf" in schema:
        inner = [_translate(one, definitions) for one in schema["oneOf"]]
        found: dict[str, Any] = {"bsonType": "object", "oneOf": inner}
        if kind := schema.get("discriminator", {}).get("propertyName"):
            kinds = [value for one in inner for value in one["properties"][kind]["enum"]]
            found |= {"required": [kind], "properties": {kind: {"enum": kinds}}}
        return found
    return {}


def _several(types: Any) -> list[str]:
    return types if isinstance(types, list) else [types]
