"""What the commands that write share: checks before storing, and the errors of a batch.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab_support.documents.embedded.commands.registry import Call
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.limits import check_document
from lab_support.documents.embedded.replies import write_error
from lab_support.documents.embedded.storage import Collection
from lab_support.documents.embedded.validation import validate_write

Document = dict[str, Any]


class Writes:
    """The writes of one command.

    Attributes:
        matched: How many documents were inserted or found.
        modified: How many were changed.
        stopped: Whether a failure has ended the batch.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._ordered = bool(call.body.get("ordered", True))
        self._checked = not call.body.get("bypassDocumentValidation", False)
        self._errors: list[Document] = []
        self.matched = 0
        self.modified = 0
        self.stopped = False

    @contextmanager
    def guard(self, number: int) -> Iterator[None]:
        """Turn the failure of one write into an entry of `writeErrors`."""
        try:
            yield
        except CommandError as error:
            if error.code == 50:
                raise
            self._errors.append(write_error(error, number))
            self.stopped = self._ordered

    def errors_reply(self) -> Document:
        """Give the part of the answer that tells of failures."""
        return {"writeErrors": self._errors} if self._errors else {}

    def collection(self) -> Collection:
        """Find the collection, or make it."""
        return self._call.storage.find_or_create(self._call.database, self._call.collection_name)

    def insert(self, document: Document) -> None:
        """Store a new document that has its `_id`.

        Raises:
            CommandError: It cannot be stored, fails the validator, or is a duplicate.
        """
        check_document(document)
        collection = self.collection()
        if self._checked:
            validate_write(collection, document, None, self._call.engine.log)
        collection.insert(document)

    def replace(self, collection: Collection, old: Document, new: Document) -> None:
        """Store a changed document in the place of the old one.

        Raises:
            CommandError: It cannot be stored, fails the validator, or is a duplicate.
        """
        check_document(new)
        if self._checked:
            validate_write(collection, new, old, self._call.engine.log)
        collection.replace(old, new)
        self.modified += 1
