"""What one timeout was seen to do, as a row, and all of them as a table.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

import httpx
from fastapi import FastAPI

from lab_support.pools import install_infrastructure_errors, trouble_behind

GUARD_S: Final = 30.0
"""After so many seconds a case is given up, whatever it waits for."""

_errors_log = logging.getLogger("lab_support.pools.errors")

NOTHING: Final = "nothing"
HEADINGS: Final = (
    "Database", "Timeout", "Set by", "Raised", "By the driver", "Time ÷ limit", "Work stopped", "HTTP"
)  # fmt: skip
_STOPPED: Final = {True: "yes", False: "no, it went on", None: "none had begun"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one limit.

    Attributes:
        backend: The database.
        timeout: What was waited for.
        setting: What sets the limit.
        limit_s: The limit, in seconds.
        elapsed_s: When the caller went on, in seconds.
        raised: The class of the error that reached the caller; "nothing" where none did.
        driver_raised: The driver's own error with its code, as far as there is one.
        stopped: The database stopped the work; None where it had none to stop.
        status: What the shop answers over HTTP; 200 where nothing was raised.
    """

    backend: str
    timeout: str
    setting: str
    limit_s: float
    elapsed_s: float
    raised: str
    driver_raised: str
    stopped: bool | None
    status: int

    @property
    def ratio(self) -> float:
        """How often the limit fits into the time it took."""
        return self.elapsed_s / self.limit_s

    def cells(self) -> tuple[str, ...]:
        """Return the row's cells as they are shown under `HEADINGS`."""
        return (
            self.backend, self.timeout, self.setting, self.raised, self.driver_raised, f"{self.ratio:.1f}",
            _STOPPED[self.stopped], str(self.status),
        )  # fmt: skip


def timeout_table(rows: Iterable[Row]) -> str:
    """Return the rows as a table in HTML."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in HEADINGS)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row.cells())}</tr>" for row in rows)
    return f'<table style="font-size:85%"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


@dataclass(frozen=True, slots=True)
class Waited:
    """How some awaited work ended, and when.

    Attributes:
        error: What it raised; None when it came to its end.
        elapsed_s: How long it took, in seconds.
    """

    error: Exception | None
    elapsed_s: float


async def wait_for_the_end(work: Awaitable[object]) -> Waited:
    """Await work that is expected to fail, and measure how long that took.

    Raises:
        TimeoutError: Even the guard's time was over, so the limit was none.
    """
    began = time.perf_counter()
    error: Exception | None = None
    async with asyncio.timeout(GUARD_S):
        try:
            await work
        except Exception as raised:
            error = raised
    return Waited(error, time.perf_counter() - began)


async def row_of(
    backend: str,
    waited_for: str,
    setting: str,
    limit_s: float,
    waited: Waited,
    *,
    stopped: bool | None = None,
) -> Row:
    """Make a row of what was seen; the HTTP status is asked of an application that meets the same error."""
    error = waited.error
    return Row(
        backend=backend,
        timeout=waited_for,
        setting=setting,
        limit_s=limit_s,
        elapsed_s=waited.elapsed_s,
        raised=NOTHING if error is None else _name(error),
        driver_raised="" if error is None else _driver_error(error),
        stopped=stopped,
        status=200 if error is None else await _status_of(error),
    )


def _name(error: BaseException) -> str:
    package = type(error).__module__.partition(".")[0]
    return type(error).__name__ if package in ("builtins", "asyncio") else f"{package}.{type(error).__name__}"


def _driver_error(error: BaseException) -> str:
    """Name the innermost declared cause, with the number or the SQLSTATE by which the driver tells it."""
    inner = error
    while (cause := getattr(inner, "orig", None) or inner.__cause__) is not None:
        if not isinstance(cause, Exception):
            break  # a cancellation is how `asyncio.timeout` works inside, not what a driver said
        inner = cause
    code = _code_of(inner)
    if type(inner).__module__.startswith("sqlalchemy") or (inner is error and code is None):
        return ""  # no driver has said anything
    return _name(inner) if code is None else f"{_name(inner)} {code}"


def _code_of(error: BaseException) -> str | int | None:
    """Return what the driver tells its errors apart by: a number, a SQLSTATE or a name."""
    for attribute in ("sqlite_errorname", "code"):
        if isinstance(code := getattr(error, attribute, None), str | int):
            return code
    if error.args and isinstance(error.args[0], int):  # MariaDB's; its SQLSTATE is a vague one
        return error.args[0]
    state: str | None = getattr(error, "sqlstate", None)
    return state


async def _status_of(error: Exception) -> int:
    app = FastAPI()
    install_infrastructure_errors(app, also=() if trouble_behind(error) is None else (type(error),))

    @app.get("/")
    async def fail() -> None:
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    _errors_log.addHandler(
        silence := logging.NullHandler()
    )  # else Python prints the warning that belongs to it
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
            return (await client.get("/")).status_code
    finally:
        _errors_log.removeHandler(silence)
