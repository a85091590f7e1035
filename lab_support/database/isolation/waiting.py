"""Who waits for a lock: asked of the server while the session itself cannot answer.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

import re

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MY_NUMBER = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}


async def session_number(connection: AsyncConnection) -> int:
    """Return the server's number of a session; 0 on SQLite, which has no server."""
    asking = _MY_NUMBER.get(_server(connection))
    return 0 if asking is None else int(await connection.scalar(text(asking)) or 0)


async def waits_for_a_lock(observer: AsyncConnection, number: int) -> bool:
    """Tell whether a session stands in line for a lock at this moment. On SQLite the session itself knows."""
    server = _server(observer)
    if server == "sqlite":
        return False
    if server == "postgresql":
        waiting = text("SELECT cardinality(pg_blocking_pids(:number)) > 0")
        return bool(await observer.scalar(waiting, {"number": number}))
    # information_schema.innodb_trx would answer from a copy that is renewed ten times a second at most
    status = (await observer.execute(text("SHOW ENGINE INNODB STATUS"))).one()[2]
    transactions = str(status).split("---TRANSACTION ")[1:]
    mine = re.compile(rf"thread id {number}\b")
    return any("LOCK WAIT" in one and mine.search(one) is not None for one in transactions)


def _server(connection: AsyncConnection) -> str:
    name = connection.dialect.name
    return "mysql" if name == "mariadb" else name
