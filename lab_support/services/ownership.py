"""Who opened which database: detected while it happens, for services that share one process.

Detection finds what a service opened through SQLAlchemy, `sqlite3`, `ATTACH` or `open`. It cannot see which database
a driver of its own asks a server for; there the server has to refuse (see `database.roles`).

Section:
    13.9, "Who opened what"
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, Dialect, Engine, event

from lab_support.services.audit import listening, opener
from lab_support.services.opened import EVERYBODY, database_of, file_database, server_database

Way = Literal["sqlite3", "engine", "attach", "open", "socket"]
NOBODY: Final = "nobody"
"""The opener when no service was acting: a test, a lesson, a tool."""

_ATTACH = re.compile(
    r"\s*ATTACH\s+(?:DATABASE\s+)?(?:'((?:[^']|'')*)'|\"([^\"]*)\"|(\?|:\w+))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """A database that was opened.

    Attributes:
        service: Who opened it; "nobody" when no service was acting.
        database: A file's real path, `backend://host:port/name`, or `host:port` of a socket.
        way: How.
    """

    service: str
    database: str
    way: Way


@dataclass(slots=True)
class Ownership:
    """Everything that was opened so far, and whose it is.

    Attributes:
        owned: Each known database and its owner; more may be added while it runs.
        openings: What was opened, each once for a service and a way.

    Section:
        13.9, "Who opened what"
    """

    owned: dict[str, str]
    openings: set[Opening] = field(default_factory=set)

    @property
    def opened(self) -> dict[str, set[str]]:
        """The databases that each service opened; plain sockets count where their address is owned."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for one in self._databases():
            found[one.service].add(one.database)
        return dict(found)

    @property
    def shared(self) -> dict[str, set[str]]:
        """The databases that more than one service opened, but for those of everybody, with these services."""
        openers: defaultdict[str, set[str]] = defaultdict(set)
        for one in self._databases():
            if one.service != NOBODY and self.owned.get(one.database) != EVERYBODY:
                openers[one.database].add(one.service)
        return {database: services for database, services in openers.items() if len(services) > 1}

    @property
    def trespasses(self) -> list[Opening]:
        """Openings of a database by a service that is not its owner; what nobody acting opened is not listed."""
        return [
            one
            for one in self._databases()
            if one.service != NOBODY
            and self.owned.get(one.database, one.service) not in (one.service, EVERYBODY)
        ]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A table for a reader: service, database, owner, and "own", "shared by all", "TRESPASS" or "unknown"."""
        found = {(one.service, one.database): one for one in self._databases()}
        return [
            (service, _short(database), self.owned.get(database, "?"), self._verdict(one))
            for (service, database), one in sorted(found.items())
        ]

    def _verdict(self, one: Opening) -> str:
        owner = self.owned.get(one.database)
        if owner is None:
            return "unknown"
        if owner == EVERYBODY:
            return "shared by all"
        if one.service == NOBODY:
            return "by no service"
        return "own" if owner == one.service else "TRESPASS"

    def _databases(self) -> Sequence[Opening]:
        """What matters: a file that is merely read, or a socket, only where it is somebody's database."""
        named = ("sqlite3", "engine", "attach")
        return sorted(one for one in self.openings.copy() if one.way in named or one.database in self.owned)

    def _note(self, database: str, way: Way) -> None:
        if database:
            self.openings.add(Opening(opener() or NOBODY, self._holder(database) or database, way))

    def _holder(self, file: str) -> str | None:
        """Give the known database that a file is, or the known folder that it is in."""
        for known in tuple(self.owned):
            if file == known or file.startswith(known + os.sep):
                return known
        return None

    def _heard(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "sqlite3.connect":
            self._note(file_database(arguments[0]), "sqlite3")
        elif name == "open":
            self._note_file(arguments[0])
        elif isinstance(address := arguments[1], tuple):
            self._note(f"{address[0]}:{address[1]}", "socket")

    def _note_file(self, path: Any) -> None:
        """Only files that are known: a process opens very many."""
        if isinstance(path, str | bytes | os.PathLike):
            file = file_database(path)
            if self._holder(file) is not None:
                self._note(file, "open")


def _short(database: str) -> str:
    return Path(database).name if Path(database).is_absolute() else database


@contextmanager
def watch_ownership(owned: Mapping[str, str] | None = None) -> Iterator[Ownership]:
    """Record which service opens which database while the block runs.

    A pool opens connections when they are needed, so watch from before the application starts. The block may begin in
    any thread; what happens in all threads is recorded.

    Args:
        owned: The owner of each database, by URL, path, folder of files, or `host:port`; see `owned_databases`.

    Yields:
        What was seen; ask it at any time.

    Section:
        13.9, "Who opened what"
    """
    seen = Ownership({_known(database): owner for database, owner in (owned or {}).items()})

    def connecting(dialect: Dialect, _record: Any, _arguments: Any, named: Mapping[str, Any]) -> None:
        if dialect.name != "sqlite":  # whose driver reports itself
            seen._note(server_database(dialect.name, named), "engine")  # noqa: SLF001

    def executing(_c: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if found := _ATTACH.match(statement):
            seen._note(file_database(_attached(found, parameters)), "attach")  # noqa: SLF001

    with ExitStack() as stack:
        for name, heard in (("do_connect", connecting), ("before_cursor_execute", executing)):
            event.listen(Engine, name, heard)
            stack.callback(event.remove, Engine, name, heard)
        stack.enter_context(listening(seen._heard))  # noqa: SLF001
        yield seen


def _known(database: str) -> str:
    """Take `host:port` of a socket as it is."""
    return database if re.fullmatch(r"[^/]+:\d+", database) else database_of(database)


def _attached(found: re.Match[str], parameters: Any) -> str:
    literal, quoted, marker = found.groups()
    if marker is None:
        return literal.replace("''", "'") if literal is not None else quoted
    values = list(parameters.values()) if isinstance(parameters, Mapping) else list(parameters or ())
    return str(values[0]) if values else ""
