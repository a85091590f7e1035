"""The file under the progress store: opened for one short transaction, and moved aside when it is damaged.

Section:
    00, "The map"
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lab_support.database.process_lock import process_lock

BUSY_TIMEOUT_S = 10.0
SCHEMA_VERSION = 1
APPLICATION_ID = 0x4C616250  # "LabP", in SQLite's header: tells our file from anybody else's
SCHEMA = (
    "CREATE TABLE attempts (id INTEGER PRIMARY KEY, exercise TEXT NOT NULL, state TEXT NOT NULL,"
    " cause TEXT NOT NULL, at TEXT NOT NULL, ms REAL NOT NULL)",
    "CREATE INDEX attempts_by_exercise ON attempts (exercise, state)",
    "CREATE TABLE hints (exercise TEXT NOT NULL, stage INTEGER NOT NULL, at TEXT NOT NULL,"
    " PRIMARY KEY (exercise, stage))",
    "CREATE TABLE give_ups (exercise TEXT PRIMARY KEY, at TEXT NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
SIDECARS = ("-journal", "-wal", "-shm")

_recovery = threading.Lock()


class ForeignFileError(sqlite3.DatabaseError):
    """The file is a sound SQLite database, but not one of progress."""


class NewerFileError(sqlite3.DatabaseError):
    """The file was written by a later version of the workbook."""


@contextmanager
def transaction(path: Path, *, writes: bool) -> Iterator[sqlite3.Connection]:
    """Open the file for one transaction, its tables made when they are missing.

    Two notebooks at once wait for each other, at most `BUSY_TIMEOUT_S` seconds.

    Raises:
        sqlite3.Error: The file is damaged, foreign, newer, locked for too long, or can't be written.
        OSError: The folder can't be made.
    """
    if writes:
        path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        _prepare(connection)
        yield connection
        connection.execute("COMMIT")


def _prepare(connection: sqlite3.Connection) -> None:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables == 0:
        for statement in SCHEMA:
            connection.execute(statement)
    elif owner != APPLICATION_ID:
        raise ForeignFileError("it is a database of something else")
    elif version > SCHEMA_VERSION:
        raise NewerFileError("a newer version of the workbook wrote it")


def means_damage(error: sqlite3.Error) -> bool:
    """Tell whether the file itself is unusable, rather than busy, missing or read-only."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, ForeignFileError) or (code is not None and code & 0xFF in DAMAGE)


def move_aside(path: Path) -> Path | None:
    """Rename a damaged file, with its journal, so that a new one can take its place.

    Returns:
        The file's new name; None when another process has mended it meanwhile.

    Raises:
        OSError: It can't be renamed.
    """
    with _recovery, process_lock(path.with_name(f"{path.name}.lock"), wait_s=BUSY_TIMEOUT_S):
        if not _is_damaged(path):
            return None
        target = _free_name(path)
        for suffix in (*SIDECARS, ""):  # the journal first: a new file must never meet an old journal
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
        return target


def _is_damaged(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with transaction(path, writes=False) as connection:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok")
    except sqlite3.Error as error:
        return means_damage(error)


def _free_name(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    first = path.with_name(f"{path.name}.corrupt-{stamp}")
    names = (first.with_name(f"{first.name}-{number}") if number else first for number in range(1000))
    return next(name for name in names if not name.exists())
