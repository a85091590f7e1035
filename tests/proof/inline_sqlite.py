"""SQLite without its threads: each call is made at once, in the caller's own thread.

The product's driver hands every call to a thread. A simulation takes one step at a time, so the thread would only
make it slower, and its replay less exact.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import aiosqlite
import pytest

Connection = aiosqlite.Connection


@contextmanager
def inline_sqlite() -> Iterator[None]:
    """Have aiosqlite call SQLite directly while the block runs; close all connections before it ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "_execute", _execute)
        patch.setattr(Connection, "_connect", _connect)
        patch.setattr(Connection, "__await__", _await)
        patch.setattr(Connection, "stop", _stop)
        yield


async def _execute(self: Any, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    if not self._running or self._connection is None:
        raise ValueError("Connection closed")
    return call(*arguments, **named)


async def _connect(self: Any) -> Any:
    if self._connection is None:
        self._connection = self._connector()
    return self


def _await(self: Any) -> Generator[Any, None, Any]:
    return _connect(self).__await__()


def _stop(self: Any) -> None:
    self._running = False
    if self._connection is not None:
        self._connection.close()
        self._connection = None
