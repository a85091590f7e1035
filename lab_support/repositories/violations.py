"""Which constraint a write has broken, on each engine; the rest of an `IntegrityError` stays what it is.

Section:
    13.3, "In SQLAlchemy: the session comes from outside, and nobody commits"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from lab_support.repositories.errors import BrokenReferenceError, DuplicateError

_DUPLICATE = frozenset(
    {
        "23505",  # PostgreSQL: unique_violation
        1062,  # MariaDB: ER_DUP_ENTRY
        2067,  # SQLite: SQLITE_CONSTRAINT_UNIQUE
        1555,  # SQLite: SQLITE_CONSTRAINT_PRIMARYKEY
    }
)
_BROKEN_REFERENCE = frozenset(
    {
        "23503",  # PostgreSQL: foreign_key_violation
        1451,  # MariaDB: a child row refers to this one
        1452,  # MariaDB: there is no parent row
        787,  # SQLite: SQLITE_CONSTRAINT_FOREIGNKEY
    }
)


@contextmanager
def named_violations(entity: str) -> Iterator[None]:
    """Give the violations that callers can act on their own names.

    Raises:
        BrokenReferenceError: A foreign key does not hold.
        DuplicateError: A unique constraint does not hold.
    """
    try:
        yield
    except IntegrityError as error:
        codes = _codes(error)
        if codes & _DUPLICATE:
            raise DuplicateError(entity) from error
        if codes & _BROKEN_REFERENCE:
            raise BrokenReferenceError(entity) from error
        raise


def _codes(error: IntegrityError) -> set[object]:
    """Collect what a driver may call the violation: a SQLSTATE, SQLite's extended code, MariaDB's number."""
    driver = error.orig
    number = driver.args[0] if driver is not None and driver.args else None
    return {getattr(driver, "sqlstate", None), getattr(driver, "sqlite_errorcode", None), number}
