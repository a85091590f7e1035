"""What every service's application has in common: bounded bodies, a name for each request, errors as problem documents.

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from lab_support.database.retries import RetriesExhaustedError
from lab_support.pools import install_infrastructure_errors
from lab_support.pools.deadline_middleware import DeadlineMiddleware
from lab_support.pools.problems import problem
from lab_support.services.body_limit import BodyLimit
from lab_support.services.correlation import Correlation

MAX_ERRORS_SHOWN = 20
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)


def new_app(title: str, lifespan: Lifespan[FastAPI], *, documented_at: str = "") -> FastAPI:
    """Build an application whose every error, its framework's included, is a problem document.

    Args:
        title: Its name in the documentation.
        lifespan: What it opens and closes.
        documented_at: The path above its `/docs`, `/redoc` and `/openapi.json`.
    """
    app = FastAPI(
        title=title,
        lifespan=lifespan,
        openapi_url=f"{documented_at}/openapi.json",
        docs_url=f"{documented_at}/docs",
        redoc_url=f"{documented_at}/redoc",
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(DeadlineMiddleware)
    app.add_middleware(Correlation)
    install_infrastructure_errors(app, also=[RetriesExhaustedError])
    install_http_errors(app)
    return app


def install_http_errors(app: FastAPI) -> None:
    """Answer what the framework refuses (unknown route, wrong method, bad body) with problem documents."""

    @app.exception_handler(HTTPException)
    async def refuse(_request: Request, error: HTTPException) -> JSONResponse:
        detail = None if error.detail == HTTPStatus(error.status_code).phrase else error.detail
        return problem(error.status_code, detail=detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def explain(_request: Request, error: RequestValidationError) -> JSONResponse:
        return invalid_request(error.errors())


def invalid_request(found: Sequence[Mapping[str, Any]]) -> JSONResponse:
    """List what is wrong with a request and where, without repeating what was sent.

    Args:
        found: Pydantic's errors, at least one.
    """
    if found[0]["type"] == "json_invalid":
        return problem(400, detail=f"The body is not JSON: see its character {found[0]['loc'][-1]}.")
    shown = [{"location": _location(one["loc"]), "message": one["msg"]} for one in found[:MAX_ERRORS_SHOWN]]
    return problem(422, detail=f"The request has {len(found)} error(s); see 'errors'.", errors=shown)


def _location(path: Sequence[str | int]) -> list[str | int]:
    """Say where an error is; an unknown field is the caller's text, shown only if it looks like a name."""
    looks_right = _HEADER_NAME if path and path[0] == "header" else _FIELD_NAME
    return [part if isinstance(part, int) or looks_right.fullmatch(part) else "?" for part in path]
