"""Infrastructure errors become HTTP here and nowhere else: 503, 504, or a 500 that tells nothing.

Domain errors are each service's own business, in its `api.py`.

Section:
    13.10, "503 with Retry-After against 504"
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from lab_support.pools.causes import Trouble, trouble_behind
from lab_support.pools.deadlines import DeadlineExceededError
from lab_support.pools.problems import deadline_exceeded, problem

_log = logging.getLogger(__name__)
_ANSWERS = {
    Trouble.NO_CONNECTION: (503, "Database unavailable", "There was no database connection in time."),
    Trouble.BUSY: (503, "Database busy", "Other requests were changing the same data."),
    Trouble.TIMED_OUT: (504, "Database too slow", "The database did not finish within its time limit."),
    Trouble.NO_ROOM: (503, "Database full", "The database has no room for more; what was sent is not kept."),
}


def install_infrastructure_errors(
    app: FastAPI, *, retry_after_s: int = 1, also: Sequence[type[Exception]] = ()
) -> None:
    """Answer infrastructure errors of an application with problem documents that leak nothing.

    No connection in time, "others were in the way" and a full disk: 503 with `Retry-After`. A statement stopped at its
    limit, and a request whose deadline has passed: 504. Whatever nobody expected: 500 without a detail; its
    traceback goes to the log.

    Starlette sends the answer to an unexpected error and then raises the error again, for the server's log;
    in tests, `httpx.ASGITransport(app, raise_app_exceptions=False)` shows the answer.

    Args:
        app: The application; a mounted one needs a call of its own.
        retry_after_s: Seconds that a refused caller is asked to wait.
        also: Further classes of errors whose causes are the database's.
    """

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return _answer(request, error, retry_after_s)

    for family in (SQLAlchemyError, ConnectionError, TimeoutError, *also, Exception):
        app.add_exception_handler(family, answer)


def _answer(request: Request, error: Exception, retry_after_s: int) -> JSONResponse:
    if isinstance(error, DeadlineExceededError):
        _log.warning("%s %s: its deadline has passed", request.method, request.url.path)
        return deadline_exceeded()
    trouble = trouble_behind(error)
    if trouble is None:
        _log.error("%s %s failed unexpectedly", request.method, request.url.path, exc_info=error)
        return problem(500, "Internal server error")
    status, title, detail = _ANSWERS[trouble]
    _log.warning("%s %s: %s, %s", request.method, request.url.path, title, type(error).__name__)
    headers = {"Retry-After": str(retry_after_s)} if status == 503 else None
    return problem(status, title, detail, headers=headers)
