"""Users over HTTP, on each engine: one account for an address, and a hash in the place of the password."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from lab_support.services.store.entities import User
from lab_support.services.store.passwords import hash_password, verify_password
from tests.services.test_store_http import assert_problem, before_any_engine

PASSWORD = "correct horse battery staple"
ADA = {"email": "ada@example.com", "user_name": "Ada Lovelace", "password": PASSWORD}
LIMIT_S = 30


async def stored(store: FastAPI) -> list[User]:
    async with store.state.sessions() as session:
        return list(await session.scalars(select(User).order_by(User.id)))


async def test_new_user_is_shown_without_the_password(client: httpx.AsyncClient) -> None:
    """POST answers 201 with three fields and no more, and its Location leads to the same."""
    created = await client.post("/store/users", json=ADA)

    assert created.status_code == 201
    assert created.json() == {"user_id": 1, "email": "ada@example.com", "user_name": "Ada Lovelace"}
    assert created.headers["location"] == "/store/users/1"
    found = await client.get("/store/users/1")
    assert (found.status_code, found.json()) == (200, created.json())


async def test_same_password_has_another_hash_for_each_user(
    client: httpx.AsyncClient, store: FastAPI
) -> None:
    """Hashes are salted argon2id, and each verifies."""
    for email in ("ada@example.com", "grace@example.com"):
        await client.post("/store/users", json=ADA | {"email": email})

    hashes = [user.password_hash for user in await stored(store)]

    assert len(set(hashes)) == 2
    assert all(one.startswith("$argon2id$") and verify_password(PASSWORD, one) for one in hashes)
    assert not any(verify_password(PASSWORD + " ", one) for one in hashes)


@pytest.mark.parametrize("again", ["ada@example.com", "ADA@Example.COM", "  ada@example.com "])
async def test_taken_address_is_a_conflict(client: httpx.AsyncClient, store: FastAPI, again: str) -> None:
    """The second account for an address, however it is written, is refused and changes nothing."""
    await client.post("/store/users", json=ADA)

    body = assert_problem(
        await client.post("/store/users", json=ADA | {"email": again, "user_name": "x"}), 409
    )

    assert "ada" not in body["detail"].lower()
    assert [user.user_name for user in await stored(store)] == ["Ada Lovelace"]
    assert (await client.post("/store/users", json=ADA | {"email": "b@example.com"})).status_code == 201


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("adá@example.com", "ada@example.com"),
        ("straße@example.com", "strasse@example.com"),
        ("ada+x@example.com", "ada@example.com"),
    ],
)
async def test_different_addresses_are_different_users(
    client: httpx.AsyncClient, one: str, other: str
) -> None:
    """No engine takes two addresses for one because of an accent."""
    answers = [await client.post("/store/users", json=ADA | {"email": email}) for email in (one, other)]

    assert [answer.status_code for answer in answers] == [201, 201]


async def test_address_is_stored_in_one_spelling(client: httpx.AsyncClient) -> None:
    """Capitals of any script become small, and an accent typed apart is joined to its letter."""
    created = await client.post("/store/users", json=ADA | {"email": " ADE\u0301LE@EXAMPLE.COM "})
    again = await client.post("/store/users", json=ADA | {"email": "adéle@example.com"})

    assert created.json()["email"] == "adéle@example.com"
    assert again.status_code == 409


@pytest.mark.parametrize("rivals", [2, 10])
async def test_one_of_many_at_once_gets_the_address(
    client: httpx.AsyncClient, store: FastAPI, rivals: int
) -> None:
    """Requests that race for an address: one 201, the others 409, one row, no connection out."""
    for round_ in range(3):
        email = f"ada{round_}@example.com"
        async with asyncio.timeout(LIMIT_S):
            answers = await asyncio.gather(
                *(
                    client.post("/store/users", json=ADA | {"email": email, "user_name": f"u{number}"})
                    for number in range(rivals)
                )
            )

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * (rivals - 1)
        (winner,) = [answer.json() for answer in answers if answer.status_code == 201]
        async with store.state.sessions() as session:
            names = (await session.scalars(select(User.user_name).where(User.email == email))).all()
        assert names == [winner["user_name"]]
    assert store.state.engine.pool.checkedout() == 0


@pytest.mark.parametrize(
    "name", ["e\u0301\u0302\u0303", "\u202eadA", "عادة", "🧑‍🚀" * 33, "O'Brien; --", "\u200fAda\u200e"]
)
async def test_name_of_any_script_comes_back(client: httpx.AsyncClient, name: str) -> None:
    """Combining marks and right-to-left text are kept code point by code point."""
    created = await client.post("/store/users", json=ADA | {"user_name": name})

    assert created.status_code == 201, created.text
    assert (await client.get("/store/users/1")).json()["user_name"] == name


@pytest.mark.parametrize("user_id", [1, 0, -1, 2**31, 2**63 - 1, -(2**63)])
async def test_absent_user_is_not_found(client: httpx.AsyncClient, user_id: int) -> None:
    """Whatever the 64-bit id, a user who is not there answers 404."""
    assert_problem(await client.get(f"/store/users/{user_id}"), 404)


@before_any_engine
@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"email": email}
            for email in (
                None,
                5,
                "",
                "ada",
                "ada@",
                "@example.com",
                "ada@example",
                "ada@.com",
                "ada@example..com",
                "a b@example.com",
                "ada@exam ple.com",
                "ada@example.com@example.com",
                "ada@example.com\x00",
                "ada@example.com\nx",
                "\ud800@example.com",
                f"{'a' * 309}@example.com",
            )
        ),
        *({"user_name": name} for name in (None, 5, "", " \t ", "a\x00b", "\ud800", "x" * 101)),
        *(
            {"password": word}
            for word in (None, 5, "", "short", "x" * 11, "x" * 129, "\ud800" * 20, ["x" * 12])
        ),
        {"user_id": 7},
        {"id": 7},
        {"balance": "1000000"},
        {"password_hash": "$argon2id$x"},
        {"is_admin": True},
    ],
    ids=repr,
)
async def test_user_who_makes_no_sense_is_refused(
    client: httpx.AsyncClient, store: FastAPI, fields: dict[str, Any]
) -> None:
    """POST answers 422, names the field, repeats no value, and stores nobody."""
    answer = await client.post(
        "/store/users",
        content=json.dumps(ADA | fields).encode(),
        headers={"content-type": "application/json"},
    )

    errors = assert_problem(answer, 422)["errors"]
    assert [error["location"][:2] for error in errors] == [["body", next(iter(fields))]]
    assert PASSWORD not in answer.text
    assert await stored(store) == []


@before_any_engine
async def test_every_missing_field_is_named(client: httpx.AsyncClient) -> None:
    """A user without anything lacks three fields."""
    errors = assert_problem(await client.post("/store/users", json={}), 422)["errors"]

    assert [error["location"] for error in errors] == [
        ["body", "email"],
        ["body", "user_name"],
        ["body", "password"],
    ]


@before_any_engine
@pytest.mark.parametrize("password", ["x" * 12, "🔑" * 128, "a\x00bcdefghijkl", " " * 12])
async def test_any_long_password_is_taken_as_it_is(
    client: httpx.AsyncClient, store: FastAPI, password: str
) -> None:
    """Neither blanks nor characters of any script are cut off."""
    answer = await client.post("/store/users", json=ADA | {"password": password})

    assert answer.status_code == 201
    (user,) = await stored(store)
    assert verify_password(password, user.password_hash)
    assert not verify_password(password[:-1], user.password_hash)


@before_any_engine
async def test_hashing_leaves_the_loop_free(
    client: httpx.AsyncClient, store: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a password is hashed, other requests are answered, and no connection is held."""
    hashing, may_go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow_hash(plain: str) -> str:
        loop.call_soon_threadsafe(hashing.set)
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(may_go_on.wait(), LIMIT_S), loop).result()
        return hash_password(plain)

    monkeypatch.setattr("lab_support.services.store.service.hash_password", slow_hash)
    async with asyncio.timeout(LIMIT_S):
        registering = asyncio.ensure_future(client.post("/store/users", json=ADA))
        await hashing.wait()
        assert store.state.engine.pool.checkedout() == 0
        assert (await client.get("/store/products")).status_code == 200
        may_go_on.set()
        assert (await registering).status_code == 201


def test_hash_is_of_one_spelling() -> None:
    """An accented letter and a letter with its accent are one password; another hash or text verifies nothing."""
    hashed = hash_password("pâssword pâssword")

    assert verify_password("pa\u0302ssword pa\u0302ssword", hashed)
    assert not verify_password("password password", hashed)
    for no_hash in ("", "pâssword pâssword", "$argon2id$", hashed[:-5]):
        assert not verify_password("pâssword pâssword", no_hash)


async def test_balance_begins_at_zero_and_stays_above(store: FastAPI, client: httpx.AsyncClient) -> None:
    """A new user owns nothing, exactly."""
    await client.post("/store/users", json=ADA)

    async with store.state.sessions() as session:
        assert str(await session.scalar(select(func.sum(User.balance)))) == "0.00"
