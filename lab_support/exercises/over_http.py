"""Ask the student's routes over HTTP, in process, and get an answer that is plain JSON.

Section:
    13.1.3, and every exercise whose witness is an HTTP answer.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from lab_support.exercises.attempt import Attempt


def app_of(attempt: Attempt, *routers: APIRouter) -> FastAPI:
    """Build an application that serves the routers on the attempt's database."""
    app = FastAPI()
    app.state.sessions = attempt.sessions
    for router in routers:
        app.include_router(router)
    return app


async def send(attempt: Attempt, app: FastAPI, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Send one request and return `status`, `location`, `json` (None where it is none) and `text`."""
    async with attempt.client(app) as client:
        answer = await client.request(method, path, json=body)
    kind = answer.headers.get("content-type", "")
    return {
        "status": answer.status_code,
        "location": answer.headers.get("location"),
        "json": answer.json() if "json" in kind and answer.content else None,
        "text": answer.text,
    }


def in_words(method: str, path: str, body: Any = None) -> str:
    """Say a request as the card shows it; a password is nobody's business, not even an invented one."""
    if isinstance(body, dict):
        body = {name: "***" if "password" in name else value for name, value in body.items()}
    return f"{method} {path}" + (f" {body}" if body is not None else "")
