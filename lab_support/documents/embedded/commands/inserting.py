"""The command `insert`.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from typing import Any

from lab_support.documents.embedded.commands.arguments import documents
from lab_support.documents.embedded.commands.registry import Call, command
from lab_support.documents.embedded.commands.writing import Writes
from lab_support.documents.embedded.identities import with_identity

Document = dict[str, Any]


@command("insert", "documents ordered writeConcern bypassDocumentValidation")
def insert(call: Call) -> Document:
    """Store documents; each that cannot be stored gives an entry of `writeErrors`."""
    writes = Writes(call)
    for number, document in enumerate(documents(call.body, "documents")):
        with writes.guard(number):
            writes.insert(with_identity(document))
            writes.matched += 1
        if writes.stopped:
            break
    return {"n": writes.matched, **writes.errors_reply()}
