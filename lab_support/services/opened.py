"""What one name stands for one database, whichever way it is opened: a URL, a path, a driver's arguments.

Section:
    13.9, "Who opened what"
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, make_url

from lab_support.services.relational import database_url
from lab_support.settings import Settings

EVERYBODY: Final = "everybody"
"""The owner of what all may open: the bus."""

RELATIONAL: Final = ("store", "orders", "customers", "payments", "inventory", "gateway")
_PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_LOCAL: Final = ("localhost", "::1")


class SharedDatabaseError(ValueError):
    """The settings give one database to two owners."""

    def __init__(self, database: str, first: str, second: str) -> None:
        super().__init__(
            f"The services '{first}' and '{second}' were given the same database, {database}. Give each its own."
        )


def owned_databases(settings: Settings, folder: Path) -> dict[str, str]:
    """Tell whose each database of the shop is, as the settings say it.

    Args:
        settings: URLs of the services.
        folder: Where the others keep their files.

    Raises:
        SharedDatabaseError: Two services were given the same database.
    """
    owned = {
        file_database(folder / "bus.db"): EVERYBODY,
        file_database(folder / "provider.db"): "payments",
        file_database(folder / "documents"): "catalog",
    }
    for name in RELATIONAL:
        database = database_of(database_url(name, settings, folder))
        if database in owned:
            raise SharedDatabaseError(database, owned[database], name)
        owned[database] = name
    return owned


def database_of(url: str | URL | os.PathLike[str]) -> str:
    """Name a database without secrets: the real path of a SQLite file, else `backend://host:port/name`."""
    if isinstance(url, os.PathLike) or (isinstance(url, str) and "://" not in url):
        return file_database(url)
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return file_database(parsed.database or "")
    host = parsed.host or parsed.query.get("host") or parsed.query.get("unix_socket")
    return _on_server(backend, host, parsed.port, parsed.database)


def file_database(name: Any) -> str:
    """Name a SQLite file as `sqlite3.connect` was given it, a `file:` URI included; "" for one in memory."""
    text = os.fsdecode(name) if isinstance(name, bytes | os.PathLike) else str(name)
    if text.startswith("file:"):
        text = unquote(urlsplit(text).path)
    return "" if text in ("", ":memory:") else os.path.realpath(text)


def server_database(backend: str, arguments: Mapping[str, Any]) -> str:
    """Name a server's database by the arguments that SQLAlchemy hands to the driver."""
    host = arguments.get("host") or arguments.get("unix_socket")
    name = arguments.get("database") or arguments.get("db")
    return _on_server(backend, host, arguments.get("port"), name)


def _on_server(backend: str, host: Any, port: Any, name: Any) -> str:
    backend = "mysql" if backend == "mariadb" else backend
    place = "127.0.0.1" if host is None or host in _LOCAL else str(host)
    if place.startswith("/"):  # a Unix socket: its folder, or the file, says it all
        return f"{backend}://{place}/{name or ''}"
    return f"{backend}://{place.lower()}:{int(port or _PORTS[backend])}/{name or ''}"
