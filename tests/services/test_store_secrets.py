"""A password, looked for wherever it could turn up, and never found."""

import json
import logging
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from lab_support.database import trace_sql, writing_session
from lab_support.services import create_app, running_app
from lab_support.services.store.dtos import UserCreate
from lab_support.services.store.entities import User
from lab_support.services.store.mapping import new_user, user_read
from lab_support.services.store.repository import SqlAlchemyUserRepository
from lab_support.services.store.service import UserService
from lab_support.settings import Settings
from lab_support.workbook.explanations import explain_error, explanation_lines

SECRET = "Xyzzy-plugh-4711"
ADA = {"email": "ada@example.com", "user_name": "Ada", "password": SECRET}


@pytest.fixture
async def shop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Give an application on SQLite while every logger tells everything, SQLAlchemy's echo included."""
    caplog.set_level(logging.DEBUG)
    for name in (
        "sqlalchemy.engine",
        "sqlalchemy.pool",
        "sqlalchemy.orm",
        "aiosqlite",
        "httpx",
        "lab_support",
    ):
        caplog.set_level(logging.DEBUG, logger=name)
    app = create_app(Settings(data=tmp_path), only=("store",))
    async with running_app(app=app) as client:
        yield app.state.services["store"], client


def assert_silent(*places: object) -> None:
    for place in places:
        for shown in (str(place), repr(place)):
            assert SECRET not in shown
            assert SECRET[:10] not in shown


async def test_no_answer_and_no_log_has_the_password(
    shop: tuple[FastAPI, httpx.AsyncClient], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Accepted, refused, malformed and failed requests: nothing is said, logged or kept in the files."""
    store, client = shop
    answers = [
        await client.post("/store/users", json=ADA),
        await client.post("/store/users", json=ADA),
        await client.get("/store/users/1"),
        await client.post("/store/users", json=ADA | {"email": "nobody"}),
        await client.post("/store/users", json=ADA | {"password": SECRET[:10]}),
        await client.post("/store/users", json=ADA | {"password": SECRET * 20}),
        await client.post("/store/users", json=ADA | {"password": [SECRET]}),
        await client.post("/store/users", json=ADA | {SECRET: 1}),
        await client.post("/store/users", json=[ADA]),
        await client.post("/store/users", json=SECRET),
        await client.post(
            "/store/users", content=json.dumps(ADA)[:-3], headers={"content-type": "application/json"}
        ),
        await client.post("/store/users", json=ADA, headers={"content-type": "text/plain"}),
        await client.post("/store/products", json=ADA),
        await client.put("/store/users", json=ADA),
    ]
    async with store.state.engine.begin() as connection:
        await connection.execute(text("DROP TABLE users"))
    answers.append(await client.post("/store/users", json=ADA | {"email": "b@example.com"}))

    assert [answer.status_code for answer in answers] == [201, 409, 200, *[422] * 7, 400, 422, 422, 405, 500]
    assert_silent(*(answer.text for answer in answers), *(answer.headers for answer in answers))
    assert "INSERT INTO users" in caplog.text  # the log does tell everything else
    assert_silent(caplog.text, *(record.__dict__ for record in caplog.records))
    kept = [path.read_bytes() for path in (tmp_path / "store.db", tmp_path / "store.db-wal")]
    assert kept
    assert not any(SECRET.encode() in content for content in kept)


async def test_trace_of_sql_has_neither_password_nor_hash(shop: tuple[FastAPI, httpx.AsyncClient]) -> None:
    """A trace shows the statement and masks the hash, as text, as HTML and as data."""
    store, client = shop
    with trace_sql(store.state.engine) as trace:
        await client.post("/store/users", json=ADA)

    shown = [str(trace), trace._repr_html_(), json.dumps(trace.as_dicts())]
    assert all("INSERT INTO users" in one and "***" in one for one in shown)
    assert_silent(*shown)
    assert not any("argon2" in one for one in shown)


def test_no_repr_and_no_validation_error_has_the_password() -> None:
    """DTOs, entities and the errors of a bad DTO can be printed."""
    user = UserCreate(email="ada@example.com", user_name="Ada", password=SecretStr(SECRET))
    row = new_user(user, "$argon2id$secret-hash")
    row.id = 1
    assert_silent(user, user.model_dump(), user.model_dump_json(), row, user_read(row))
    assert "secret-hash" not in repr(row) + repr(user_read(row))

    for fields in ({"password": SECRET[:10]}, {"password": [SECRET]}, {"email": SECRET}, {"extra": SECRET}):
        with pytest.raises(ValidationError) as caught:
            UserCreate.model_validate(ADA | fields)
        shown = "".join(traceback.format_exception(caught.value))
        assert SECRET[:10] not in shown + str(caught.value) + repr(caught.value)


async def test_traceback_with_all_locals_has_no_password(
    shop: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    """When the database fails, even a traceback that prints every local variable, or the card, is safe to show."""
    store, _ = shop
    async with store.state.engine.begin() as connection:
        await connection.execute(text("DROP TABLE users"))
    wanted = UserCreate(email="ada@example.com", user_name="Ada", password=SecretStr(SECRET))

    async with writing_session(store.state.sessions) as session:
        service = UserService(SqlAlchemyUserRepository(session), session.commit)
        with pytest.raises(SQLAlchemyError) as caught:
            await service.register(wanted)

    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "password_hash" in told  # locals were printed
    assert_silent(told, caught.value, *explained(caught.value))
    assert_silent(*(getattr(one, "params", None) for one in chain(caught.value)))


def explained(error: BaseException) -> list[str]:
    explanation = explain_error(error)
    return [] if explanation is None else explanation_lines(explanation)


def chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def test_row_of_a_user_has_no_place_for_a_password() -> None:
    """The table has a hash and no column that a password could be put in by mistake."""
    names: set[Any] = {column.name for column in User.__table__.columns}

    assert {name for name in names if "password" in name} == {"password_hash"}
    with pytest.raises(TypeError, match="password"):
        User(password=SECRET)
