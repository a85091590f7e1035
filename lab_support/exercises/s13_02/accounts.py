"""The users that 13.2.3 is about: their table, and nothing that knows a password.

Section:
    13.2, "Passwords"
"""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class AccountsBase(DeclarativeBase):
    """What the tables of accounts have in common."""


class User(AccountsBase):
    """Somebody who can log in; `password_hash` is all that is known of the password."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    user_name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(255))
