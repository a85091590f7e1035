"""Users over HTTP.

Section:
    13.2, "Passwords"
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from lab_support.services.problem_docs import problems
from lab_support.services.store.api.dependencies import user_service
from lab_support.services.store.dtos import UserCreate, UserRead
from lab_support.services.store.mapping import user_read
from lab_support.services.store.service import UserService

router = APIRouter(prefix="/users", tags=["users"])

Users = Annotated[UserService, Depends(user_service)]
UserId = Annotated[int, Path(ge=-(2**63), lt=2**63, description="As given by the store.")]


@router.post("", status_code=201, responses=problems(400, 409, 413))
async def register_user(user: UserCreate, users: Users, request: Request, response: Response) -> UserRead:
    """Open an account; the answer's Location is its address."""
    registered = await users.register(user)
    response.headers["Location"] = f"{request.url.path}/{registered.id}"
    return user_read(registered)


@router.get("/{user_id}", responses=problems(404))
async def get_user(user_id: UserId, users: Users) -> UserRead:
    """Show one user."""
    return user_read(await users.get(user_id))
