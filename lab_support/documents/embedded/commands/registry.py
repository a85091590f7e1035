"""What a command is: a name, the keys it accepts, and a function.

Section:
    13.7, "What this lesson's server is, and is not"
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.storage import Collection, Storage

if TYPE_CHECKING:
    from lab_support.documents.embedded.engine import Connection, Engine

Document = dict[str, Any]

_EVERYWHERE = frozenset({
    "$db", "lsid", "$readPreference", "$clusterTime", "comment", "maxTimeMS",
})  # fmt: skip
_TRANSACTION_KEYS = frozenset(["txnNumber", "startTransaction", "autocommit", "stmtId", "stmtIds"])
_LOOK_EVERY = 256

NO_TRANSACTIONS = "Transaction numbers are only allowed on a replica set member or mongos"


@dataclass(slots=True)
class Call:
    """One command being run.

    Attributes:
        engine: The server's parts.
        connection: On which connection it came.
        name: The command's name, as sent.
        database: Where it is to run.
        body: All that was sent.
        ends_at: When `maxTimeMS` is over, on the monotonic clock; None without a limit.
    """

    engine: Engine
    connection: Connection
    name: str
    database: str
    body: Document
    ends_at: float | None = None
    _ticks: int = field(default=0)

    @property
    def storage(self) -> Storage:
        """Where documents are."""
        return self.engine.storage

    @property
    def collection_name(self) -> str:
        """The collection that the command names.

        Raises:
            CommandError: It names none (code 73).
        """
        name = self.body[self.name]
        if type(name) is not str or not name:
            raise CommandError(73, f"'{self.name}' needs the name of a collection, not {name!r}.")
        return name

    @property
    def namespace(self) -> str:
        """`database.collection`."""
        return f"{self.database}.{self.collection_name}"

    def collection(self) -> Collection | None:
        """Find the collection that the command names; None when it does not exist."""
        return self.storage.find(self.database, self.collection_name)

    def tick(self) -> None:
        """Look at the clock once in a while.

        Raises:
            CommandError: The command has run for longer than its `maxTimeMS` (code 50).
        """
        self._ticks += 1
        if self.ends_at is not None and self._ticks % _LOOK_EVERY == 0 and time.monotonic() > self.ends_at:
            raise CommandError(50, "operation exceeded time limit")


@dataclass(frozen=True, slots=True)
class Command:
    """A command that the server knows."""

    name: str
    keys: frozenset[str]
    run: Callable[[Call], Document]
    admin_only: bool = False

    def check(self, body: Document) -> None:
        """Refuse keys that this command does not accept.

        Raises:
            CommandError: Code 20 for a transaction, 238 for any other key that is not listed.
        """
        if "*" in self.keys:
            return
        unknown = body.keys() - self.keys - _EVERYWHERE - {next(iter(body))}
        if unknown & _TRANSACTION_KEYS:
            raise CommandError(20, NO_TRANSACTIONS)
        if unknown:
            raise not_implemented(f"'{min(unknown)}' in the command '{self.name}'")


COMMANDS: dict[str, Command] = {}


def command(
    name: str, keys: str = "", *, also: str = "", admin_only: bool = False
) -> Callable[[Callable[[Call], Document]], Callable[[Call], Document]]:
    """Register a function as a command.

    Args:
        name: As MongoDB spells it.
        keys: The keys it accepts, beside those that every command accepts, with spaces between; `*` for any.
        also: Other spellings of the name.
        admin_only: Whether it runs on the database `admin` only.
    """

    def register(run: Callable[[Call], Document]) -> Callable[[Call], Document]:
        made = Command(name, frozenset(keys.split()), run, admin_only)
        for spelling in (name, *also.split()):
            COMMANDS[spelling] = made
        return run

    return register
