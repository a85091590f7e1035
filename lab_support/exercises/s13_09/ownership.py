"""Who opened which database and used which mapped table: noted while one service after the other acts.

Section:
    13.9, "Who opened what"
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Engine, Table, event
from sqlalchemy.sql import visitors

_WATCHED: Final = frozenset({"sqlite3.connect", "open"})
_listening: list[Ownership] = []
_installed: list[bool] = []


class Ownership:
    """What each service touched; `acting` names the one that acts now.

    Python's audit events tell of every database file that is opened, by whatever library and in whatever thread; the
    engine's events tell of `ATTACH` and of the tables in each statement.

    Args:
        files: Database by its name; each value is the file's name, which no other file has.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(files)
        self.acting = ""
        self.opened: dict[str, set[str]] = {}
        self._tables: dict[str, set[Table]] = {}

    def __enter__(self) -> Ownership:
        """Begin to listen."""
        if not _installed:
            sys.addaudithook(_heard)  # for as long as the process lives: Python takes none back
            _installed.append(True)
        event.listen(Engine, "before_execute", self._executes)
        event.listen(Engine, "before_cursor_execute", self._sends)
        _listening.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        _listening.remove(self)
        event.remove(Engine, "before_execute", self._executes)
        event.remove(Engine, "before_cursor_execute", self._sends)

    @contextmanager
    def by(self, service: str) -> Iterator[None]:
        """Ascribe to `service` what happens in the block."""
        before, self.acting = self.acting, service
        try:
            yield
        finally:
            self.acting = before

    @property
    def shared_tables(self) -> list[str]:
        """Names of the table objects that more than one service used."""
        used = list(self._tables.values())
        return sorted(
            {table.name for one in used for other in used if one is not other for table in one & other}
        )

    def names(self, text: str) -> None:
        """Note the databases whose file is named in a text."""
        for database, file in self._files.items():
            if file in text:
                self.opened.setdefault(self.acting, set()).add(database)

    def _executes(self, _connection: Any, clause: Any, *_: Any) -> None:
        element = getattr(clause, "element", clause)  # DDL names its table so
        mine = self._tables.setdefault(self.acting, set())
        if isinstance(element, Table):
            mine.add(element)
        elif isinstance(element, visitors.ExternallyTraversible):
            mine.update(part for part in visitors.iterate(element) if isinstance(part, Table))

    def _sends(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "ATTACH" in statement.upper():
            self.names(f"{statement} {parameters}")


def _heard(name: str, arguments: tuple[Any, ...]) -> None:
    if _listening and name in _WATCHED and arguments:
        for one in tuple(_listening):
            one.names(str(arguments[0]))
