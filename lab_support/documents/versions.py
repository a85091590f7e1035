"""Schema versions: every document says which one it has, and old ones are brought up step by step.

Upcasting happens on read and writes nothing. `documents.backfill` writes.

Section:
    13.8, "Schema versions: upcast on read, backfill in the background"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

Document = dict[str, Any]
Step = Callable[[Document], Document]

VERSION_FIELD: Final = "schema_version"
FIRST_VERSION: Final = 1
"""The version of documents that don't say any: nobody thinks of versions before the second one."""


class UnknownVersionError(Exception):
    """A document has a version that this code doesn't know: it was written by a newer one, or damaged."""

    def __init__(self, id_: object, version: object, current: int) -> None:
        super().__init__(
            f"Document {id_} has {VERSION_FIELD} {version!r}, and this code knows 1 to {current}. "
            "Deploy the code that wrote it, or mend the document."
        )
        self.id = id_
        self.version = version


class Upcasters:
    """The way from each old version of a document to the current one.

    A step gets a copy and gives a document of the next version. It changes what it knows and keeps what it doesn't:
    a field that nobody remembers is somebody's data.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []

    @property
    def current(self) -> int:
        """The version that the last step leads to."""
        return FIRST_VERSION + len(self._steps)

    def step(self, function: Step) -> Step:
        """Add the step from the version that is current so far to the next one; use it as a decorator."""
        self._steps.append(function)
        return function

    def version_of(self, document: Mapping[str, Any]) -> int:
        """Read a document's version; one that doesn't say has the first.

        Raises:
            UnknownVersionError: It is no version that this code knows.
        """
        version = document.get(VERSION_FIELD, FIRST_VERSION)
        number = isinstance(version, int | float) and not isinstance(version, bool)
        if not number or version not in range(FIRST_VERSION, self.current + 1):
            raise UnknownVersionError(document.get("_id"), version, self.current)
        return int(version)

    def upcast(self, document: Mapping[str, Any]) -> Document:
        """Give the document in the current version; the one that was given stays as it is.

        Raises:
            UnknownVersionError: Its version is not known.
        """
        version = self.version_of(document)
        changed = dict(document)
        if version < self.current:
            changed = deepcopy(changed)
            for step in self._steps[version - FIRST_VERSION :]:
                changed = step(changed)
            changed[VERSION_FIELD] = self.current
        return changed

    def outdated(self) -> Document:
        """Give the filter of the documents that are not of the current version."""
        return {VERSION_FIELD: {"$ne": self.current}}


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Document, Document]:
    """Say which change makes one document of the other, and what it relies on.

    Returns:
        A filter that holds only while every field to be changed is as it was, and the update. Fields that others
        change meanwhile are neither asked nor touched.
    """
    relies_on: Document = {"_id": before["_id"]}
    update: dict[str, Document] = {"$set": {}, "$unset": {}}
    for name in sorted(before.keys() | after.keys()):
        if name in before and name in after and _same(before[name], after[name]):
            continue
        relies_on[name] = {"$eq": before[name]} if name in before else {"$exists": False}
        if name in after:
            update["$set"][name] = after[name]
        else:
            update["$unset"][name] = ""
    return relies_on, {operator: fields for operator, fields in update.items() if fields}


def _same(before: object, after: object) -> bool:
    """Compare as BSON does: 1 and 1.0 and true are three values."""
    return type(before) is type(after) and before == after
