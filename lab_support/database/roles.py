"""One PostgreSQL database, a role and a schema for each service: the server refuses what is another's.

The step between a shared database and databases of their own. Each role owns its schema, finds its tables without a
prefix, and has no right to anything else, the schema `public` included.

Section:
    13.9, "Roles and schemas, the step in between"
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from lab_support.database.engines import build_engine
from lab_support.database.urls import asynchronous, masked

REFUSED: Final = "42501"
"""PostgreSQL's SQLSTATE for a right that a role does not have."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_TAKEN = re.compile(r"pg_.*|postgres|public|information_schema|none|current_role|current_user|session_user")
_ROUNDS: Final = 4096
_LOCK: Final = 0x726F6C65  # one number for all who make roles
_POWERS = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"


class RoleError(ValueError):
    """A role or schema can't be made as asked; the text says why, without secrets."""


async def separate_services(
    url: str | URL, services: Collection[str], *, passwords: Mapping[str, str] | None = None
) -> dict[str, URL]:
    """Give each service a role and a schema of its own name in one database, or nothing at all.

    It can be repeated, and run twice at once. Tables and rights that a service gave away on purpose stay.

    Args:
        url: A PostgreSQL database, as somebody who may make roles.
        services: Lower-case names.
        passwords: Of the roles, printable ASCII. Without one a new role gets none, and an old one keeps its own.

    Returns:
        The URL for each service, with its password if one was given.

    Raises:
        RoleError: A name or password is unusable, a role or schema of that name is not a service's, or the user of
            the URL may not do this.
        DatabaseUnreachableError: The server does not answer.
        DatabaseUrlError: The URL is unusable.

    Section:
        13.9, "Roles and schemas, the step in between"
    """
    target, known = asynchronous(url), dict(passwords or {})
    if target.get_backend_name() != "postgresql":
        raise RoleError(f"{masked(target)} is no PostgreSQL; only there a service gets a role and a schema.")
    for name in services:
        _check(name, known.get(name))
    engine = build_engine(target)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await _close_to_strangers(connection)
            for name in services:
                await _make_role(connection, name, known.get(name))
                await _make_schema(connection, name)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split()).partition(": ")[2]
        raise RoleError(f"the roles can't be made in {masked(target)}: {reason or error.orig}.") from error
    finally:
        await engine.dispose()
    return {name: target.set(username=name, password=known.get(name)) for name in services}


async def remove_services(url: str | URL, services: Collection[str]) -> None:
    """Remove roles that `separate_services` made in this database, with their schemas and all tables in them.

    Raises:
        RoleError: A name is unusable, or a role has things in other databases.
    """
    for name in services:
        _check(name, None)
    engine = build_engine(url)
    try:
        async with engine.begin() as connection:
            for name in services:
                if await connection.scalar(text("SELECT to_regrole(:name)"), {"name": f'"{name}"'}):
                    await connection.execute(text(f'DROP OWNED BY "{name}" CASCADE'))
                    await connection.execute(text(f'DROP ROLE "{name}"'))
    except DBAPIError as error:
        raise RoleError(f"the roles can't be removed: {' '.join(str(error.orig).split())}") from error
    finally:
        await engine.dispose()


def _check(name: str, password: str | None) -> None:
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
        raise RoleError(
            f"{name[:80]!r} can't be a service's role. Use lower-case letters, digits and _, at most 63, beginning "
            "with a letter; names of PostgreSQL's own are taken."
        )
    if password is not None and not (password and password.isascii() and password.isprintable()):
        raise RoleError(f"The password of '{name}' must be printable ASCII, and not empty.")


async def _close_to_strangers(connection: AsyncConnection) -> None:
    """Take from everybody what PostgreSQL gives to everybody."""
    await connection.execute(text(f"REVOKE ALL ON DATABASE {_database(connection)} FROM PUBLIC"))
    await connection.execute(text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))


async def _make_role(connection: AsyncConnection, name: str, password: str | None) -> None:
    powers = await connection.scalar(
        text(f"SELECT {_POWERS} FROM pg_roles WHERE rolname = :name"),  # noqa: S608  (a constant)
        {"name": name},
    )
    if powers:
        raise RoleError(f"The role '{name}' is there and may do more than a service; choose another name.")
    database = _database(connection)
    if powers is None:
        await connection.execute(text(f'CREATE ROLE "{name}" LOGIN NOINHERIT'))
    if password is not None:
        await connection.execute(text(f"ALTER ROLE \"{name}\" PASSWORD '{_verifier(password)}'"))
    await connection.execute(text(f'GRANT CONNECT ON DATABASE {database} TO "{name}"'))
    await connection.execute(text(f'ALTER ROLE "{name}" IN DATABASE {database} SET search_path = "{name}"'))


async def _make_schema(connection: AsyncConnection, name: str) -> None:
    owner = await connection.scalar(
        text("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = :name"), {"name": name}
    )
    if owner not in (None, name):
        raise RoleError(f"The schema '{name}' is there and belongs to '{owner}'; choose another name.")
    if owner is None:
        await connection.execute(text(f'CREATE SCHEMA "{name}" AUTHORIZATION "{name}"'))


def _database(connection: AsyncConnection) -> str:
    """Quote the database's name; a colon in it is no parameter."""
    name = str(connection.engine.url.database).replace('"', '""').replace(":", r"\:")
    return f'"{name}"'


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5802); made here, so that no log of the server sees the password."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, client_text, server_text = (b64encode(part).decode() for part in (salt, client, server))
    return f"SCRAM-SHA-256${_ROUNDS}\\:{salt_text}${client_text}\\:{server_text}"
