"""Statements that take their time on purpose, and what is left of them when somebody has stopped waiting.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import URL, TextClause, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

LONGEST_GOODBYE_S: Final = 10.0

_COUNTING: Final = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i % 2000 <> 0 OR goes_on({seconds}))
SELECT finished(count(*)) FROM n
"""


class SlowDatabase:
    """A student's engine of one connection, so that the next user gets the same one.

    On SQLite a statement of `slow` works without a pause for as long as it is told, however fast the machine is.

    Attributes:
        finished: How many slow statements came to their own end; SQLite only.
        options: Whether a statement had an execution option with "timeout" in its name.
    """

    def __init__(self, url: URL) -> None:
        self.engine: AsyncEngine = create_async_engine(url, pool_size=1, max_overflow=0)
        self.on_sqlite = url.get_backend_name() == "sqlite"
        self.finished, self.options = 0, False
        self._began: float | None = None
        self._drivers: list[Any] = []
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._before)
        if self.on_sqlite:
            event.listen(self.engine.sync_engine, "connect", self._add_functions)

    def slow(self, seconds: float) -> TextClause:
        """Return a statement that takes so long."""
        sql = _COUNTING.format(seconds=seconds) if self.on_sqlite else f"SELECT pg_sleep({seconds})"
        return text(sql)

    @property
    def began(self) -> bool:
        """Whether the database has begun to work on the last statement; on a server, whether it was sent."""
        return self._began is not None

    async def idle(self) -> None:
        """Wait until nothing runs on SQLite's connections any more; on a server, the judge looks for himself."""
        for driver in self._drivers:
            with suppress(Exception):
                await driver.execute("SELECT 1")  # comes after what runs already
                continue
            await asyncio.to_thread(driver._thread.join, LONGEST_GOODBYE_S)  # noqa: SLF001 - closed: it has to end

    def _before(
        self, _connection: Any, _cursor: Any, _sql: str, _values: Any, context: Any, _many: bool
    ) -> None:
        self._began = None if self.on_sqlite else time.monotonic()
        names = map(str, context.execution_options if context else ())
        self.options = self.options or any("timeout" in name for name in names)

    def _add_functions(self, connection: Any, _record: Any) -> None:
        driver = connection.driver_connection
        self._drivers.append(driver)
        await_only(driver.create_function("goes_on", 1, self._goes_on))
        await_only(driver.create_function("finished", 1, self._finish))

    def _goes_on(self, seconds: float) -> bool:
        self._began = self._began or time.monotonic()
        return time.monotonic() - self._began < seconds

    def _finish(self, count: int) -> int:
        self.finished += 1
        return count
