"""The forms in which an error reaches the client.

Section:
    13.7, "Documents over HTTP"
"""

from __future__ import annotations

from typing import Any

from lab_support.documents.embedded.errors import CommandError

Document = dict[str, Any]


def failure(error: CommandError) -> Document:
    """Give the answer to a command that failed as a whole."""
    told = {"ok": 0.0, "errmsg": error.message, "code": error.code, "codeName": error.code_name}
    return told | error.details


def write_error(error: CommandError, index: int) -> Document:
    """Give the entry of `writeErrors` for one write of a batch; `index` counts the writes from 0."""
    return {"index": index, "code": error.code, "errmsg": error.message, **error.details}
