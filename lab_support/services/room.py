"""Pools that their servers have no room for are refused at the start, and not found out under load.

Section:
    13.10, "Sizing a pool"
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database.server_room import ask_room
from lab_support.pools import PoolSettings
from lab_support.services.relational import StartError


async def refuse_overbooking(services: Mapping[str, FastAPI], pool: PoolSettings, workers: int) -> None:
    """See that every server has room for all connections that the services on it could open.

    Args:
        services: Those that have started, by name.
        pool: The pool of each of them.
        workers: Processes that run each service.

    Raises:
        StartError: A server has less room; the text has the sum, and what to change.
        DatabaseUnreachableError: A server does not answer.
    """
    servers = defaultdict[tuple[str, str | None, int | None], list[AsyncEngine]](list)
    for app in services.values():
        engine: AsyncEngine | None = getattr(app.state, "engine", None)
        if engine is not None:
            url = engine.url
            servers[url.get_backend_name(), url.host, url.port].append(engine)
    for engines in servers.values():
        await _refuse(engines, pool, workers)


async def _refuse(engines: list[AsyncEngine], pool: PoolSettings, workers: int) -> None:
    room = await ask_room(engines[0])
    wanted = workers * len(engines) * pool.limit
    if room is None or wanted <= room.for_us:
        return
    raise StartError(
        f"{engines[0].url.get_backend_name()} at {engines[0].url.host or 'localhost'} has room for {room.for_us} "
        f"connections, and {workers} worker(s) x {len(engines)} service(s) x ({pool.size} + {pool.max_overflow}) "
        f"could open {wanted}. Lower LAB_POOL_SIZE or LAB_MAX_OVERFLOW, or give the server more room."
    )
