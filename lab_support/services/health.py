"""GET /healthz and /readyz: whether this process lives, and whether it can work.

A process that is not alive is restarted; one that is not ready gets no requests. A database that is away is no reason
to restart anything, so `/healthz` asks nobody. Nor does `/readyz` ask the bus: with an outbox a service works without.

Section:
    13.1, "CRUD over HTTP"; 13.10, "Health"
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from lab_support.database import check_connection
from lab_support.pools.problems import problem
from lab_support.services.problem_docs import problems

HEALTH_LIMIT_S = 3.0

_log = logging.getLogger(__name__)


class Health(BaseModel):
    """The answer of an application that lives, or that can work."""

    status: Literal["ok"] = "ok"


def health_router(services: Mapping[str, FastAPI]) -> APIRouter:
    """Make the routes that a supervisor and a load balancer ask."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", response_model=Health)
    async def healthz() -> Health:
        """Answer "ok" as long as this process answers at all."""
        return Health()

    @router.get("/readyz", response_model=Health, responses=problems(503))
    async def readyz() -> Health | JSONResponse:
        """Answer "ok" when the database of every service has just executed a query."""
        answers = await asyncio.gather(*(answers_now(name, app) for name, app in services.items()))
        silent = [name for name, answered in zip(services, answers, strict=True) if not answered]
        if not silent:
            return Health()
        detail = f"No answer within {HEALTH_LIMIT_S:g} s from the database of: {', '.join(silent)}."
        return problem(503, detail=detail, headers={"Retry-After": "1"})

    return router


async def answers_now(name: str, app: FastAPI) -> bool:
    """Tell whether a service's database answers within `HEALTH_LIMIT_S` seconds."""
    try:
        async with asyncio.timeout(HEALTH_LIMIT_S):
            if (documents := getattr(app.state, "documents", None)) is not None:
                await documents.command("ping")
            else:
                await check_connection(app.state.engine)
    except Exception as error:
        _log.warning("The database of '%s' does not answer: %s", name, error)
        return False
    return True
