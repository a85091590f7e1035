"""How one exception is recognised: by the names of its classes, by its message, or by a closer look.

Classes are compared by name, so that no driver has to be installed, or imported, to be recognised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TYPE_PREFIX = re.compile(r"^<class '[^']*'>: ")
BACKGROUND = re.compile(r" *\(Background on this error at:.*")
LONGEST_REASON = 160

Words = Mapping[str, str]
"""What an error tells about itself (a table's name, a pool's size), to fill the two lines."""


@dataclass(frozen=True)
class KnownError:
    """One row of the table: how to recognise the error, and its two lines.

    Attributes:
        key: Short name, unique in the table.
        classes: Full names of the exception classes it may come as.
        happened: First line; may use `{reason}` and the named groups of `says`.
        remedy: Second line; the same.
        says: Regular expression that the message must contain; empty means any message.
        unless: Regular expression that the message must not contain.
        look: A closer look at the exception; returns more words, or None when it is not this error.
    """

    key: str
    classes: tuple[str, ...]
    happened: str
    remedy: str
    says: str = ""
    unless: str = ""
    look: Callable[[BaseException], Words | None] | None = None

    def words(self, error: BaseException) -> Words | None:
        """Return what `error` says about itself, or None when it is not this known error."""
        if not class_names(error).intersection(self.classes):
            return None
        message = own_message(error)
        found = re.search(self.says, message)
        if found is None or (self.unless and re.search(self.unless, message)):
            return None
        more = self.look(error) if self.look else {}
        if more is None:
            return None
        return {"reason": reason_of(message), **found.groupdict(), **more}


def class_names(error: BaseException) -> set[str]:
    """Return the full names of the error's class and of its bases."""
    return {f"{base.__module__}.{base.__qualname__}" for base in type(error).__mro__}


def own_message(error: BaseException) -> str:
    """Return the driver's message where there is one; SQLAlchemy's repeats statement and parameters."""
    inner = getattr(error, "orig", None)
    try:
        return TYPE_PREFIX.sub("", str(inner if isinstance(inner, BaseException) else error))
    except Exception:  # the reader's own class, with a `__str__` that fails
        return ""


def reason_of(message: str) -> str:
    """Return the message's first line, cut to a readable length and ended with a full stop."""
    line = BACKGROUND.sub("", (message.strip().splitlines() or ["no reason given"])[0])
    if len(line) > LONGEST_REASON:
        line = line[: LONGEST_REASON - 1] + "…"
    return line if line.endswith((".", "…", "?")) else f"{line}."


def sqlite_code(error: BaseException) -> str:
    """Return SQLite's own name of the error, such as `SQLITE_BUSY_SNAPSHOT`, or an empty string."""
    name = getattr(getattr(error, "orig", None) or error, "sqlite_errorname", "")
    return str(name or "")
