from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.exercises.s13_02.accounts import User

Session = Annotated[AsyncSession, Depends(get_session)]
hasher = PasswordHasher()
users = APIRouter(prefix="/users")


class UserCreate(BaseModel):
    email: str
    user_name: str
    password: SecretStr = Field(min_length=12)


class UserRead(BaseModel):
    user_id: int
    email: str
    user_name: str
    password_hash: str


def hash_password(password):
    return hasher.hash(password)


def verify_password(password, password_hash):
    try:
        return hasher.verify(password_hash, password)
    except Argon2Error:
        return False


def shown(user):
    return UserRead(
        user_id=user.id, email=user.email, user_name=user.user_name, password_hash=user.password_hash
    )


@users.post("", status_code=201)
async def register(new: UserCreate, session: Session) -> UserRead:
    password_hash = hash_password(new.password.get_secret_value())
    user = User(email=new.email, user_name=new.user_name, password_hash=password_hash)
    session.add(user)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "This e-mail is taken.") from None
    return shown(user)


@users.get("/{user_id}")
async def show(user_id: int, session: Session) -> UserRead:
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(404, "There is no such user.")
    return shown(user)
