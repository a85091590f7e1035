"""Look over the `LAB_` variables before a lesson relies on them; every complaint is one line without secrets.

Section:
    13.1, "Drivers and URLs: the same cells on three databases"
"""

from __future__ import annotations

import difflib
import os
import socket
from pathlib import Path

from pydantic import SecretStr, ValidationError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from lab_support.database import DatabaseUrlError, masked
from lab_support.database.urls import asynchronous
from lab_support.settings import Settings, get_settings

PREFIX = "LAB_"
CONNECT_LIMIT_S = 2.0
PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
BACKENDS = {
    "database_url": ("sqlite", "postgresql", "mysql", "mariadb"),
    "postgres_url": ("postgresql",),
    "mariadb_url": ("mysql", "mariadb"),
}
EXAMPLE = "Write one like postgresql+asyncpg://user@host/name, or unset it"
THEN = "then run this cell again"


class SettingError(ValueError):
    """A `LAB_` variable can't be used; the text is one line that masks secrets."""


def read_settings() -> Settings:
    """Read the environment afresh.

    Raises:
        SettingError: A value makes no sense; the first one is named.
    """
    get_settings.cache_clear()
    try:
        return get_settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = str(first["loc"][0]).lower().removeprefix(PREFIX.lower())
        value = "" if field.endswith("_url") else f" (it is {str(first['input'])[:60]!r})"
        text = f"{variable(field)}: {first['msg']}{value}. Correct or unset it, {THEN}."
        raise SettingError(text) from None


def variable(field: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def likely_typos() -> list[str]:
    """Return one line for each `LAB_` variable that looks like a misspelt setting."""
    known = [variable(field) for field in Settings.model_fields]
    strange = sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    return [
        f"{name} is not a setting of the workbook and is ignored; did you mean {meant}?"
        for name in strange
        for meant in difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.87)
    ]


def check_urls(settings: Settings) -> dict[str, URL]:
    """Return the database URLs that are set, by setting, each readable and answered by its server.

    Raises:
        SettingError: One can't be read, is of the wrong kind, or nothing answers at its address.
    """
    urls = {}
    for field, backends in BACKENDS.items():
        secret: SecretStr | None = getattr(settings, field)
        if secret is not None:
            urls[field] = _usable(variable(field), secret.get_secret_value(), backends)
    return urls


def _usable(name: str, text: str, backends: tuple[str, ...]) -> URL:
    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError):
        hidden = "(not shown: it may hold a password)"
        raise SettingError(f"{name}: its value {hidden} is not a database URL. {EXAMPLE}, {THEN}.") from None
    try:
        url = asynchronous(parsed)
    except DatabaseUrlError as error:
        raise SettingError(f"{name}: {error}") from None
    backend = url.get_backend_name()
    if backend not in backends:
        raise SettingError(f"{name}: {masked(url)} is not a {backends[0]} URL. Correct or unset it, {THEN}.")
    trouble = _missing_folder(url) if backend == "sqlite" else _silence(url, PORTS[backend])
    if trouble:
        raise SettingError(
            f"{name}: {trouble} ({masked(url)}). Correct it, or unset it to use what is in the box; {THEN}."
        )
    return url


def _missing_folder(url: URL) -> str:
    folder = Path(url.database or "").absolute().parent
    return "" if folder.is_dir() else f"the folder {folder} does not exist"


def _silence(url: URL, default_port: int) -> str:
    """Return why nothing can be reached at the URL's address; an empty string when something answers."""
    if not url.host:
        return ""
    address = (url.host, url.port or default_port)
    try:
        socket.create_connection(address, timeout=CONNECT_LIMIT_S).close()
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        return f"no server answers at {address[0]}:{address[1]}, {reason.lower()}"
    return ""
