"""MariaDB and MySQL: connecting within a time limit, and the limits set on each new connection.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from lab_support.pools.settings import Timeouts


def connect_arguments(timeouts: Timeouts) -> dict[str, Any]:
    """Return the driver's arguments: UTF-8, UTC, and every limit.

    InnoDB counts its lock timeout in whole seconds; less than one means one.
    """
    return {
        "connect_timeout": timeouts.connect_s,
        "charset": "utf8mb4",
        "init_command": _session_limits(timeouts),
        "async_creator_fn": _connect_within(timeouts.connect_s),
    }


def _session_limits(timeouts: Timeouts) -> str:
    # Executable comments: MariaDB runs the first, MySQL the second.
    return (
        f"SET SESSION innodb_lock_wait_timeout = {max(1, round(timeouts.lock_s))}, time_zone = '+00:00'"
        f" /*M! , max_statement_time = {timeouts.statement_s} */"
        f" /*!80000 , max_execution_time = {int(timeouts.statement_s * 1000)} */"
    )


def _connect_within(limit_s: float) -> Callable[..., Awaitable[Any]]:
    """Limit the whole way to a connection: the driver's own limit ends where the greeting begins."""

    async def connect(**arguments: Any) -> Any:
        import aiomysql  # an optional extra

        connection = aiomysql.Connection(**arguments)
        try:
            async with asyncio.timeout(limit_s):
                await connection._connect()  # noqa: SLF001  (`aiomysql.connect` would leave a socket open here)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect
