import asyncio
from typing import Annotated, Any

import argon2
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.exercises.s13_02.accounts import User

users = APIRouter(prefix="/users", tags=["users"])
hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class UserCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    email: str = Field(max_length=320)
    user_name: str = Field(max_length=100)
    password: SecretStr

    @field_validator("password")
    @classmethod
    def long_enough(cls, password: SecretStr) -> SecretStr:
        if not 12 <= len(password) <= 128:
            raise ValueError("a password has 12 to 128 characters")
        return password


class UserRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    user_id: int = Field(validation_alias=AliasChoices("user_id", "id"))
    email: str
    user_name: str


def verify_password(plain: str, password_hash: str) -> bool:
    try:
        argon2.PasswordHasher().verify(password_hash, plain)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return True


@users.post("", status_code=201, response_model=UserRead)
async def register(
    new: UserCreate,
    request: Request,
    response: Response,
    session: Annotated[AsyncSession, Depends(get_session)],
) -> Any:
    if await session.scalar(select(User.id).where(User.email == new.email)):
        raise HTTPException(409, "This e-mail is taken.")
    password_hash = await asyncio.to_thread(hasher.hash, new.password.get_secret_value())
    user = User(**new.model_dump(exclude={"password"}), password_hash=password_hash)
    session.add(user)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "This e-mail is taken.") from None
    response.headers["Location"] = f"{request.url.path}/{user.id}"
    return user


@users.get("/{user_id}", response_model=UserRead)
async def show(user_id: int, session: Annotated[AsyncSession, Depends(get_session)]) -> Any:
    return await session.get(User, user_id) or Response(status_code=404)
