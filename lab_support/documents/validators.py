"""Validators: rules that the server itself keeps, declared once and applied to a new or a living collection.

Section:
    13.8, "Validators: the server refuses"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lab_support.documents.types import Database

Level = Literal["off", "moderate", "strict"]
Action = Literal["warn", "error"]
DOCUMENT_INVALID = 121
_COLLECTION_EXISTS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """What the server demands of the documents of a collection.

    Attributes:
        schema: A `$jsonSchema`, with `bsonType` where JSON's types are too few.
        level: Whether it holds for all writes (strict), for new documents and those that keep it already (moderate),
            or for none.
        action: Whether a document that breaks it is refused, or written and mentioned in the server's log.
    """

    schema: Mapping[str, Any]
    level: Level = "strict"
    action: Action = "error"

    def options(self) -> dict[str, Any]:
        """Give what `create` and `collMod` are told."""
        return {
            "validator": {"$jsonSchema": dict(self.schema)},
            "validationLevel": self.level,
            "validationAction": self.action,
        }


async def apply_validator(database: Database, name: str, validator: Validator) -> None:
    """Make the collection with its validator, or give the validator to the collection that is there.

    Documents that are there already are not looked at, whatever the level.

    Raises:
        pymongo.errors.OperationFailure: The server doesn't know a keyword of the schema.
    """
    from pymongo.errors import OperationFailure

    try:
        await database.command({"create": name, **validator.options()})
    except OperationFailure as error:
        if error.code != _COLLECTION_EXISTS:
            raise
        await database.command({"collMod": name, **validator.options()})


async def applied_validator(database: Database, name: str) -> Validator | None:
    """Read the validator that a collection has, to compare it with the declared one; None if it has none."""
    answer = await database.command({"listCollections": 1, "filter": {"name": name}})
    found = answer["cursor"]["firstBatch"]
    options = found[0].get("options", {}) if found else {}
    if "$jsonSchema" not in options.get("validator", {}):
        return None
    return Validator(
        schema=options["validator"]["$jsonSchema"],
        level=options.get("validationLevel", "strict"),
        action=options.get("validationAction", "error"),
    )
