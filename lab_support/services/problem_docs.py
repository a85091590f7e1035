"""Problem documents (RFC 9457) in the OpenAPI description: what the error answers look like.

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from lab_support.pools.problems import PROBLEM_JSON


class FieldError(BaseModel):
    """One thing that is wrong with a request."""

    location: list[str | int] = Field(examples=[["body", "price"]])
    message: str = Field(examples=["Input should be greater than or equal to 0"])


class Problem(BaseModel):
    """An error, as RFC 9457 words it."""

    type: str = Field(description="A URI that names the kind of problem; `about:blank` says: see `status`.")
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = Field(None, description="With status 422: each thing that is wrong.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error answers of a route, for FastAPI's `responses`."""
    content = {PROBLEM_JSON: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
