from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.exercises.s13_02.accounts import User

Session = Annotated[AsyncSession, Depends(get_session)]
users = APIRouter(prefix="/users")


class UserCreate(BaseModel):
    email: str
    user_name: str
    password: SecretStr = Field(min_length=12)


class UserRead(BaseModel):
    user_id: int
    email: str
    user_name: str


def hash_password(password):
    return password


def verify_password(password, password_hash):
    return password == password_hash


def shown(user):
    return UserRead(user_id=user.id, email=user.email, user_name=user.user_name)


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
