"""Database URLs: checked before use, completed with an asynchronous driver, and shown without secrets.

Section:
    13.1, "Drivers and URLs: the same cells on three databases"
"""

from __future__ import annotations

import importlib.util
import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from lab_support.pools.unreachable import DatabaseUnreachableError

# dialect -> (asynchronous driver, module to import, extra of this package that installs it)
_DRIVERS = {
    "sqlite": ("aiosqlite", "aiosqlite", None),
    "postgresql": ("asyncpg", "asyncpg", "postgres"),
    "mysql": ("aiomysql", "aiomysql", "mysql"),
    "mariadb": ("aiomysql", "aiomysql", "mysql"),
}
_ALIASES = {"postgres": "postgresql"}
_SERVER_ADVICE = "Check that the server runs, and the URL's host, port, user, password and database."
_ADVICE = {"sqlite": "Check that its folder exists and may be written to."}
_EXAMPLES = (
    "sqlite+aiosqlite:///shop.db, postgresql+asyncpg://user@host/name, mysql+aiomysql://user@host/name"
)


class DatabaseUrlError(ValueError):
    """A database URL that no engine can be built from; its text masks every secret."""


def masked(url: str | URL) -> str:
    """Show a URL, readable or not, with its password as `***`."""
    try:
        known = make_url(url)
    except (ArgumentError, ValueError):
        return _bluntly_masked(url)
    secret = {key: "***" for key in known.query if re.search("pass|secret|key|token", key, re.IGNORECASE)}
    shown = known.update_query_dict(secret).render_as_string(hide_password=True)
    return shown.replace("=%2A%2A%2A", "=***")


def asynchronous(url: str | URL) -> URL:
    """Check a URL and give it the asynchronous driver of its database when it names none.

    Raises:
        DatabaseUrlError: The URL cannot be read, names an unknown database or a driver that is not
            asynchronous, the driver is not installed, or the database lives in memory.
    """
    parsed = _parsed(url)
    backend, _, driver = parsed.drivername.partition("+")
    backend = _ALIASES.get(backend, backend)
    if backend not in _DRIVERS:
        raise DatabaseUrlError(
            f"No database called '{backend}' is known here ({masked(parsed)}). Use one of: {_EXAMPLES}."
        )
    wanted, module, extra = _DRIVERS[backend]
    if driver not in ("", wanted):
        raise DatabaseUrlError(
            f"The driver '{driver}' in {masked(parsed)} is not one this code runs on. Write {backend}+{wanted}://."
        )
    if importlib.util.find_spec(module) is None:
        raise DatabaseUrlError(
            f"{masked(parsed)} needs the driver '{wanted}', which is not installed. "
            "Run, in the workbook's folder: "
            + (f'pip install -c constraints.txt -e ".[{extra}]"' if extra else f"pip install {wanted}")
        )
    _refuse_memory(parsed, backend)
    return parsed.set(drivername=f"{backend}+{wanted}")


def cannot_connect(url: URL, error: Exception) -> DatabaseUnreachableError:
    """Tell in one line why there is no connection; raise the result `from` the error."""
    reason = " ".join(str(error).split())
    if not reason:
        reason = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    if url.password:
        reason = reason.replace(str(url.password), "***")
    return DatabaseUnreachableError(masked(url), reason, _ADVICE.get(url.get_backend_name(), _SERVER_ADVICE))


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
        if not parsed.drivername.startswith("sqlite") and "@" in f"{parsed.host}{parsed.database}":
            raise ValueError("the password holds a bare @ or /")
    except (ArgumentError, ValueError):
        # `from None`: the library's text repeats parts of the URL, which may be its password.
        raise DatabaseUrlError(
            f"{_bluntly_masked(url)!r} is not a database URL. Write one like: {_EXAMPLES}. "
            "Characters such as @ : / in a password must be percent-encoded."
        ) from None
    return parsed


def _bluntly_masked(url: str | URL) -> str:
    if "//" not in str(url):  # whatever follows the colon may be the password
        return re.sub(r":.*", ":***", str(url), flags=re.DOTALL)
    return re.sub(r"//.*@", "//***@", str(url), flags=re.DOTALL)


def _refuse_memory(url: URL, backend: str) -> None:
    name = url.database or ""
    in_memory = name == "" or ":memory:" in name or url.query.get("mode") == "memory"
    if backend == "sqlite" and in_memory:
        raise DatabaseUrlError(
            "A SQLite database in memory has one connection for all, so one session's rollback erases "
            "another's work. Give a file: sqlite+aiosqlite:///shop.db."
        )
