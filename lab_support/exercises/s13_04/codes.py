"""Codes by which databases say that the same work may succeed if it is run again.

Section:
    13.4, "Retries: run the whole unit of work again"
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import DBAPIError

TRANSIENT: Final = frozenset({"40001", "40P01", "SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT"})
"""PostgreSQL: serialization failure, deadlock. SQLite: somebody else writes, somebody else has written."""


def code_of(error: DBAPIError) -> str | None:
    """Return the code the database gave: its SQLSTATE, or SQLite's name for it."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    return str(code) if code else None
