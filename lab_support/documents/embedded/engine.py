"""Runs commands: checks their keys, lets fail points strike, and turns errors into answers.

Section:
    13.7, "What this lesson's server is, and is not"
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab_support.documents.embedded.commands  # noqa: F401  (registers them)
from lab_support.documents.embedded.commands.arguments import check_concerns, whole_number
from lab_support.documents.embedded.commands.registry import COMMANDS, Call, Command
from lab_support.documents.embedded.cursors import Cursors
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.fail_points import FailPoint
from lab_support.documents.embedded.replies import failure
from lab_support.documents.embedded.server_log import ServerLog
from lab_support.documents.embedded.storage import Storage

Document = dict[str, Any]

_LOOK_EVERY_S = 0.05


class _HangUpError(Exception):
    """The command is to be left without an answer."""


@dataclass(slots=True, eq=False)
class Connection:
    """One client's connection.

    Attributes:
        number: Counts from 1.
        is_gone: Says whether the client has hung up.
        app_name: What the client called itself in its hello.
    """

    number: int
    is_gone: Callable[[], bool] = lambda: False
    app_name: str | None = None


class Engine:
    """The parts of a server behind its connections.

    Args:
        folder: Where documents are kept; None keeps them in memory.

    Attributes:
        connections_made: How many connections there have been.

    Raises:
        StorageError: The folder cannot be used, or another server uses it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.storage = Storage(folder)
        self.cursors = Cursors()
        self.log = ServerLog()
        self.fail_point = FailPoint()
        self._connections: set[Connection] = set()
        self.connections_made = 0

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    def connect(self, is_gone: Callable[[], bool] = lambda: False) -> Connection:
        """Take note of a new connection; `is_gone` says whether its client has hung up."""
        self.connections_made += 1
        made = Connection(self.connections_made, is_gone)
        self._connections.add(made)
        return made

    def disconnect(self, connection: Connection) -> None:
        """Forget a connection, and the cursors of a client that has gone."""
        self._connections.discard(connection)
        self.cursors.connection_gone(connection.number, last=not self._connections)

    def close(self) -> None:
        """Close the files."""
        self.storage.close()

    async def answer(self, connection: Connection, body: Document) -> Document | None:
        """Run a command and give its answer; None means: hang up instead."""
        name = next(iter(body))
        try:
            limit_ms = whole_number(body, "maxTimeMS")
            ends_at = time.monotonic() + limit_ms / 1000 if limit_ms else None
            struck = self.fail_point.strikes(name, connection.app_name) or {}
            if struck:
                await _block(self.fail_point.block_s, ends_at, connection)
                _fail_as_ordered(struck, connection)
            if "validator" in body:
                await _load_schema_rules()
            reply = self._run(connection, name, body, ends_at)
        except _HangUpError:
            return None
        except CommandError as error:
            return failure(error)
        except Exception as error:  # a fault of ours: the client is told, the server goes on
            self.log.warn("COMMAND", 0, "internal error", {"command": name, "error": repr(error)})
            return failure(CommandError(1, f"The embedded server failed at '{name}': {error!r}"))
        if "writeConcernError" in struck:
            reply["writeConcernError"] = struck["writeConcernError"]
        return reply

    def _run(self, connection: Connection, name: str, body: Document, ends_at: float | None) -> Document:
        found = _find(name)
        found.check(body)
        check_concerns(body)
        database = body.get("$db")
        if type(database) is not str:
            raise CommandError(40571, "A command needs '$db', the name of a database.")
        if found.admin_only and database != "admin":
            raise CommandError(13, f"{name} may only be run against the admin database.")
        try:
            return {**found.run(Call(self, connection, name, database, body, ends_at)), "ok": 1.0}
        finally:
            self.storage.commit()


async def _load_schema_rules() -> None:
    """Load `jsonschema` beside the loop: it takes up to a second, and heartbeats must be answered meanwhile."""
    if "jsonschema" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "lab_support.documents.embedded.schema_rules")


def _find(name: str) -> Command:
    found = COMMANDS.get(name)
    if found is None:
        raise CommandError(59, f"no such command: '{name}'")
    return found


async def _block(seconds: float, ends_at: float | None, connection: Connection) -> None:
    """Wait, but no longer than the command's time limit, and not for a client that has gone."""
    until = time.monotonic() + seconds
    is_late = ends_at is not None and until >= ends_at
    until = ends_at if is_late and ends_at is not None else until
    while (rest := until - time.monotonic()) > 0 and not connection.is_gone():  # noqa: ASYNC110 (streams tell nobody)
        await asyncio.sleep(min(rest, _LOOK_EVERY_S))
    if is_late:
        raise CommandError(50, "operation exceeded time limit")


def _fail_as_ordered(struck: Mapping[str, Any], connection: Connection) -> None:
    if connection.is_gone() or struck.get("closeConnection"):
        raise _HangUpError
    if "errorCode" in struck:
        labels = {"errorLabels": struck["errorLabels"]} if "errorLabels" in struck else {}
        sentence = "Failing command via 'failCommand' failpoint"
        raise CommandError(int(struck["errorCode"]), sentence, **labels)
