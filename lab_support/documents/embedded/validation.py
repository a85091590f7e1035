"""Validators: which documents a collection takes, at which level, and what happens to the others.

Section:
    13.8, "Validators: the server refuses"
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import bson

from lab_support.documents.embedded.errors import (
    BAD_VALUE,
    DOCUMENT_VALIDATION_FAILURE,
    TYPE_MISMATCH,
    CommandError,
    not_implemented,
)
from lab_support.documents.embedded.limits import check_depth
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.schema_check import check_schema
from lab_support.documents.embedded.unmet_filters import unmet_filter
from lab_support.documents.embedded.wire import CODEC

if TYPE_CHECKING:
    from lab_support.documents.embedded.server_log import ServerLog
    from lab_support.documents.embedded.storage import Collection

LEVELS: Final = ("off", "moderate", "strict")
ACTIONS: Final = ("warn", "error")
_LOGGED_AS: Final = 20294


class Schema:
    """A checked `$jsonSchema`.

    Raises:
        CommandError: See `schema_check.check_schema`.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        check_depth(schema)
        check_schema(schema)
        from lab_support.documents.embedded.schema_rules import BsonValidator

        self._schema = schema
        self._validator = BsonValidator(schema)

    def unmet(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rules that a document does not meet, as `errInfo` tells them; empty when it meets all."""
        return [unmet.detail for unmet in self._validator.iter_errors(document)]

    def explain(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The `details` of `errInfo`."""
        told = {name: self._schema[name] for name in ("title", "description") if name in self._schema}
        return {"operatorName": "$jsonSchema", **told, "schemaRulesNotSatisfied": self.unmet(document)}


def compile_schema(schema: Mapping[str, Any]) -> Schema:
    """Make a schema that can be asked; the same one again costs next to nothing.

    Raises:
        CommandError: See `schema_check.check_schema`.
    """
    if not isinstance(schema, Mapping):
        raise CommandError(TYPE_MISMATCH, "$jsonSchema must be an object")
    return _schema_from(bson.encode(schema))


@lru_cache(maxsize=128)
def _schema_from(raw: bytes) -> Schema:
    schema = bson.decode(raw, CODEC)
    return Schema(schema)


def check_validator(options: Mapping[str, Any]) -> None:
    """Refuse a validator, level or action that cannot be used; called before `create` and `collMod` change anything.

    Raises:
        CommandError: The schema is malformed (9), the level or action is unknown (2), the validator is no document
            (14), or it uses what is not supported (238).
    """
    validator = options.get("validator", {})
    if not isinstance(validator, Mapping):
        raise CommandError(TYPE_MISMATCH, "The 'validator' must be a document.")
    compile_filter(validator)
    if options.get("validationAction") == "errorAndLog":
        raise not_implemented("the validationAction 'errorAndLog'")
    for name, allowed in (("validationLevel", LEVELS), ("validationAction", ACTIONS)):
        if options.get(name, allowed[0]) not in allowed:
            sentence = (
                f"Enumeration value '{options[name]}' for field '{name}' is not one of {', '.join(allowed)}."
            )
            raise CommandError(BAD_VALUE, sentence)


def validate_write(
    collection: Collection, new: Mapping[str, Any], old: Mapping[str, Any] | None, log: ServerLog
) -> None:
    """Check a document that is about to be stored.

    Args:
        collection: Its `options` hold `validator`, `validationLevel` (default strict) and `validationAction`
            (default error); `namespace` names it in the log.
        new: What is to be stored.
        old: The document it replaces; None for an insert. With the level moderate, a document that was invalid may
            stay invalid.
        log: Takes the warning where the action is warn.

    Raises:
        CommandError: Code 121, with `errInfo`.
    """
    options = collection.options
    validator = options.get("validator")
    level = options.get("validationLevel", "strict")
    if not validator or level == "off":
        return
    accepts = compile_filter(validator)
    if accepts(new) or (level == "moderate" and old is not None and not accepts(old)):
        return
    told = {"failingDocumentId": new.get("_id"), "details": unmet_filter(validator, new, _explain)}
    if options.get("validationAction", "error") == "error":
        raise CommandError(DOCUMENT_VALIDATION_FAILURE, "Document failed validation", errInfo=told)
    attributes = {"namespace": collection.namespace, "document": dict(new), "errInfo": told}
    log.warn("STORAGE", _LOGGED_AS, "Document would fail validation", attributes)


def _explain(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    return compile_schema(schema).explain(document)
