"""What really went to the database: statements and transaction borders, in their order, as a table.

Section:
    13.1, "Session factory, and the SQL that each line emits"; 13.4, "Begin, flush, commit, rollback"
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import ExceptionContext, ExecutionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database.trace_events import (
    Kind,
    Trace,
    TracedEvent,
    kind_of,
    masked_parameters,
    secret_values,
)

_numbers = count(1)
_NUMBER = "lab_support_trace_number"  # in the connection's own info: no later connection can be taken for it


@contextmanager
def trace_sql(engine: AsyncEngine | None = None) -> Iterator[Trace]:
    """Record what is sent while the block runs; the trace stays readable afterwards.

    BEGIN and COMMIT that a driver sends by itself are shown where SQLAlchemy announces them, with no
    duration of their own. Values of parameters named like a password are masked. Traces may be nested.

    Args:
        engine: The engine to watch; None watches every engine of this process, also those not yet built.

    Section:
        13.1, "`echo` against `trace_sql`"
    """
    recorder = _Recorder()
    target: Any = Engine if engine is None else engine.sync_engine
    listeners = recorder.listeners()
    for name, listener in listeners.items():
        event.listen(target, name, listener)
    try:
        yield recorder.trace
    finally:
        for name, listener in listeners.items():
            event.remove(target, name, listener)


class _Recorder:
    """Turns SQLAlchemy's events into a trace. Events of one connection come one after another."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._small_numbers: dict[int, int] = {}
        self._last: dict[int, TracedEvent] = {}
        self._started: dict[int, float] = {}
        self._context: ExecutionContext | None = None
        self._secrets: frozenset[tuple[type, Any]] = frozenset()

    def listeners(self) -> dict[str, Any]:
        return {
            "begin": self._on_begin,
            "commit": self._on_commit,
            "rollback": self._on_rollback,
            "before_cursor_execute": self._before,
            "after_cursor_execute": self._after,
            "handle_error": self._on_error,
        }

    def _on_begin(self, connection: Connection) -> None:
        if not self._has_begun(self._number(connection)):  # the engine's own BEGIN may have been seen already
            self._add(connection, "BEGIN", "BEGIN")

    def _on_commit(self, connection: Connection) -> None:
        self._add(connection, "COMMIT", "COMMIT")

    def _on_rollback(self, connection: Connection) -> None:
        if not connection.invalidated:  # a connection that was cut sends nothing
            self._add(connection, "ROLLBACK", "ROLLBACK")

    def _before(
        self,
        connection: Connection,
        cursor: Any,  # noqa: ARG002
        statement: str,
        parameters: Any,
        context: ExecutionContext | None,
        executemany: bool,
    ) -> None:
        number = self._number(connection)
        kind = kind_of(statement)
        if kind == "BEGIN" and self._has_begun(number):
            self._last[number].sql = statement  # announced a moment ago, sent now
        else:
            shown = masked_parameters(parameters, self._secrets_of(context)) if parameters else None
            self._add(connection, kind, statement, shown, executemany)
        self._started[number] = time.perf_counter()

    def _after(self, connection: Connection, *_: Any) -> None:
        self._finish(self._number(connection))

    def _on_error(self, failure: ExceptionContext) -> None:
        connection = failure.connection
        if connection is None or connection.closed or connection.invalidated:
            return
        number = self._number(connection)
        running = number in self._started
        self._finish(number)
        last = self._last.get(number)
        if last is not None and (running or (failure.statement is None and last.kind != "SQL")):
            error = failure.original_exception
            last.error = f"{type(error).__name__}: {' '.join(str(error).split())}"

    def _secrets_of(self, context: ExecutionContext | None) -> frozenset[tuple[type, Any]]:
        if context is not self._context:  # one statement may be sent in a thousand batches
            self._context, self._secrets = context, secret_values(context)
        return self._secrets

    def _has_begun(self, number: int) -> bool:
        last = self._last.get(number)
        return last is not None and last.kind == "BEGIN" and last.error is None

    def _finish(self, number: int) -> None:
        started = self._started.pop(number, None)
        if started is not None:
            self._last[number].duration_ms = (time.perf_counter() - started) * 1000

    def _add(
        self, connection: Connection, kind: Kind, sql: str, parameters: Any = None, many: bool = False
    ) -> None:
        number = self._number(connection)
        traced = TracedEvent(kind, sql, parameters, connection=number, executemany=many)
        self._last[number] = traced
        self.trace.events.append(traced)

    def _number(self, connection: Connection) -> int:
        if _NUMBER not in connection.info:
            connection.info[_NUMBER] = next(_numbers)
        number: int = connection.info[_NUMBER]
        return self._small_numbers.setdefault(number, len(self._small_numbers) + 1)
