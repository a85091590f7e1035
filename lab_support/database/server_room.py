"""How many connections a server has for us: asked of the server itself.

Section:
    13.10, "Sizing a pool"
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_POSTGRES = text(
    "SELECT current_setting('max_connections')::int,"
    " current_setting('superuser_reserved_connections')::int"
    " + coalesce(current_setting('reserved_connections', true)::int, 0),"
    " (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),"
    " (SELECT datconnlimit FROM pg_database WHERE datname = current_database())"
)
_MARIADB = text("SELECT @@max_connections, @@max_user_connections")


@dataclass(frozen=True, slots=True)
class ServerRoom:
    """What one server allows.

    Attributes:
        most: Connections for everybody together.
        reserved: Those of them that only an administrator gets.
        own: The limit of this user, or of this database, if it is the narrower one.
    """

    most: int
    reserved: int
    own: int | None = None

    @property
    def for_us(self) -> int:
        """The most that we can have open when nobody else has any."""
        free = self.most - self.reserved
        return free if self.own is None else min(free, self.own)


async def ask_room(engine: AsyncEngine) -> ServerRoom | None:
    """Ask an engine's server how many connections it allows; None for a file, which has no such limit.

    Raises:
        DatabaseUnreachableError: It does not answer.
    """
    backend = engine.url.get_backend_name()
    if backend == "sqlite":
        return None
    async with engine.connect() as connection:
        return await (_postgres(connection) if backend == "postgresql" else _mariadb(connection))


async def _postgres(connection: AsyncConnection) -> ServerRoom:
    most, reserved, of_user, of_database = (await connection.execute(_POSTGRES)).one()
    limits = [limit for limit in (of_user, of_database) if limit is not None and limit >= 0]
    return ServerRoom(most, reserved, min(limits, default=None))


async def _mariadb(connection: AsyncConnection) -> ServerRoom:
    """MariaDB keeps one connection more than `max_connections` for its administrator; 0 stands for no limit."""
    most, of_user = (await connection.execute(_MARIADB)).one()
    return ServerRoom(most, 0, of_user or None)
