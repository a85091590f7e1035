"""The one place that builds an error's HTTP body: a problem document (RFC 9457).

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

PROBLEM_JSON = "application/problem+json"
_RESERVED = frozenset({"type", "title", "status", "detail", "instance"})


def problem(
    status: int,
    title: str | None = None,
    detail: str | None = None,
    *,
    type_: str = "about:blank",
    instance: str | None = None,
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> JSONResponse:
    """Build a response whose body is a problem document.

    Args:
        status: HTTP status, 400 to 599.
        title: What kind of problem it is, the same each time; by default the status's own phrase.
        detail: What went wrong this time, for the caller's eyes: never SQL, never `str(exception)`.
        type_: A URI that names the kind of problem.
        instance: A URI of this occurrence.
        headers: Further response headers, such as `Retry-After`.
        **extensions: Further members, such as `errors`.

    Raises:
        ValueError: The status is no error, or an extension has a reserved name.
    """
    if not 400 <= status <= 599:
        raise ValueError(f"A problem document needs a status from 400 to 599, not {status}.")
    if clash := _RESERVED & extensions.keys():
        raise ValueError(f"{sorted(clash)} may not be extensions: RFC 9457 gives these names a meaning.")
    body: dict[str, Any] = {"type": type_, "title": title or HTTPStatus(status).phrase, "status": status}
    if detail is not None:
        body["detail"] = detail
    if instance is not None:
        body["instance"] = instance
    content = jsonable_encoder(body | extensions, custom_encoder={Decimal: str})  # money is never a float
    return JSONResponse(content, int(status), headers=dict(headers or {}), media_type=PROBLEM_JSON)


def deadline_exceeded() -> JSONResponse:
    """Build the answer to a request whose time is over."""
    return problem(
        504,
        "Deadline exceeded",
        "The answer was not ready in time. What was asked for may have been done nevertheless.",
    )
