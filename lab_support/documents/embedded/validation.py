"""Validators. Owned by MVAL; this first version lets everything pass.

Section:
    13.8, "Server validators"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_support.documents.embedded.server_log import ServerLog


def check_validator(options: Mapping[str, Any]) -> None:
    """Refuse a validator, level or action that cannot be used; called before `create` and `collMod` change anything.

    Raises:
        CommandError: The schema is malformed (code 9), or uses what is not supported (code 238).
    """


def validate_write(collection: Any, new: Mapping[str, Any], old: Mapping[str, Any] | None, log: ServerLog) -> None:
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
