"""A student's routes on the documents of a scenario, asked over HTTP in this process.

Section:
    13.7.2, 13.7.3, 13.7.5
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.over_http import app_of, in_words
from lab_support.exercises.story import Answer, Story

Act = Callable[..., Awaitable[Any]]
Ask = Callable[..., Awaitable[Answer]]


def app_on(attempt: Attempt, *routers: APIRouter) -> FastAPI:
    """Build an application whose `app.state.documents` is the scenario's database."""
    app = app_of(attempt, *routers)
    app.state.documents = attempt.documents
    return app


def asking(act: Act) -> Ask:
    """Make the function by which a story asks over HTTP, with the request as the card's words."""

    async def http(story: Story, method: str, path: str, body: Any = None) -> Answer:
        return await story.ask(act, call=in_words(method, path, body), method=method, path=path, body=body)

    return http
