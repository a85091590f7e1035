"""13.7.1: the client's life cycle, judged by the connections that a server of its own counts."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Depends, FastAPI
from pymongo import MongoClient

from lab_support.documents.embedded import EmbeddedMongo
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_07.shop import COLLECTION, a_product
from lab_support.exercises.story import Story

REQUESTS = 100
MOST_CONNECTIONS = 12
"""A client has one or two connections that watch the server, and one for each request that runs at the same time."""

AT_ONCE = 5
LONGEST_S = 5.0
CLOSING_TRIES = 50
NOWHERE = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=200&connectTimeoutMS=200"

client = Exercise(
    id="13.7.1",
    title="One client, from start to end",
    task="Make the client when the application starts, ask whether the server is there, and close it at the end.",
    student_writes=("lifespan", "get_database"),
    witness="measured",
    limit_s=30.0,
    hints=(
        "Which events does an application have exactly once? What does a client hold that must be given back, and "
        "when does it connect for the first time?",
        "Make the client inside `lifespan`, after you know the address. `await client.admin.command('ping')` connects. "
        "A `finally` closes. `get_database(request)` finds it at `request.app.state`.",
        "client = AsyncIOMotorClient(app.state.mongodb_url)\n"
        "try:\n"
        "    await client.admin.command('ping')\n"
        "    app.state.documents = client.get_default_database()\n"
        "    yield\n"
        "finally:\n    client.close()",
    ),
    misconceptions=(
        Misconception(
            "client-per-request",
            "You believe that a client is a connection. It is a pool of them, with a watcher of the server: one for "
            "each request opens and closes several connections every time. Make one for the whole application.",
            lambda seen: seen.served and (seen.opened or 0) > REQUESTS,
        ),
        Misconception(
            "client-at-import",
            "You believe that a client may belong to the module. It was made before the application knew its address, "
            "and it outlives the application, so a second one gets the first one's: make it in lifespan.",
            lambda seen: seen.went_elsewhere is True or "ServerSelectionTimeoutError" in (seen.errors or ()),
        ),
        Misconception(
            "never-closed",
            "You believe that the end of a request, or Python, tidies up. The client's pool and its watcher stay "
            "connected after the application has ended: close it in a finally.",
            lambda seen: (
                seen.served and seen.left_open and not seen.went_elsewhere and seen.opened <= REQUESTS
            ),
        ),
        Misconception(
            "trusts-the-constructor",
            "You believe that making a client connects it. It connects at the first operation, so an application "
            "without a server starts as if all were well: send a ping in lifespan.",
            lambda seen: seen.served and seen.started_without_server is True and not seen.went_elsewhere,
        ),
    ),
)


def _app(attempt: Attempt, url: str) -> FastAPI:
    app = FastAPI(lifespan=attempt.the("lifespan"))
    app.state.mongodb_url = url
    given = Depends(attempt.the("get_database"))

    @app.get("/products/{sku}")
    async def read(sku: str, database: Any = given) -> Any:
        return await database[COLLECTION].find_one({"sku": sku}, {"_id": 0, "sku": 1})

    return app


@client.act
async def run_application(attempt: Attempt, url: str, skus: list[str]) -> dict[str, Any]:
    """Start an application, send it a request for each SKU, a few at a time, and end it."""
    app, found = _app(attempt, url), list[Any]()
    async with asyncio.timeout(LONGEST_S), app.router.lifespan_context(app), attempt.client(app) as http:
        for begin in range(0, len(skus), AT_ONCE):
            asked = (http.get(f"/products/{sku}") for sku in skus[begin : begin + AT_ONCE])
            answers = await asyncio.gather(*asked)
            found += [one.json() if one.status_code == 200 else one.status_code for one in answers]
    return {"found": found}


@client.act
async def fail_inside(attempt: Attempt, url: str) -> dict[str, Any]:
    """Start an application whose life ends with an error; say whether the error came through."""
    app = _app(attempt, url)
    try:
        async with asyncio.timeout(LONGEST_S), app.router.lifespan_context(app):
            raise OSError("somebody pulled the plug")
    except OSError:
        return {"came_through": True}
    return {"came_through": False}


@client.act
async def start_without_server(attempt: Attempt) -> dict[str, Any]:
    """Start an application at whose address nobody listens; say whether it started."""
    app, started = _app(attempt, NOWHERE), False
    try:
        async with asyncio.timeout(LONGEST_S), app.router.lifespan_context(app):
            started = True
    except NotImplementedError:
        raise
    except Exception:
        return {"started": started}
    return {"started": True}


class _Counted:
    """A server of the judge's with some products, which counts those who come."""

    def __init__(self, server: EmbeddedMongo, products: list[dict[str, Any]]) -> None:
        self.url, self.skus = f"{server.url}shop", [one["sku"] for one in products]
        self._server = server
        with MongoClient[dict[str, Any]](server.url) as judge:
            judge["shop"][COLLECTION].insert_many(products)
        self._before = self._arrived()

    def opened(self) -> int:
        """Count the connections that others have opened."""
        return self._arrived() - self._before - 1

    async def left_open(self) -> int:
        """Count the connections that are open, once those that are closing have closed."""
        for _ in range(CLOSING_TRIES):
            if not self._server.connections:
                break
            await asyncio.sleep(0.01)
        return self._server.connections

    def _arrived(self) -> int:
        """Number a connection of the judge's own: the server counts them from 1."""
        engine = self._server.engine
        assert engine is not None, "the server is running"  # noqa: S101
        mine = engine.connect()
        engine.disconnect(mine)
        return mine.number


def _counted(story: Story, server: EmbeddedMongo, number: int) -> _Counted:
    return _Counted(server, [a_product(story.random) for _ in range(number)])


@client.scenario("a hundred requests share the connections of one client, which is closed at the end", on="mongodb",
                 points=2)  # fmt: skip
async def one_client(story: Story) -> None:
    with EmbeddedMongo() as server:
        shop = _counted(story, server, REQUESTS)
        call = f"an application starts, serves {REQUESTS} requests, {AT_ONCE} at a time, and ends"
        answer = await story.ask(run_application, call=call, url=shop.url, skus=shop.skus)
        served = answer["found"] == [{"sku": sku} for sku in shop.skus]
        opened, left = shop.opened(), await shop.left_open()
    story.saw(served=served, opened=opened, left_open=left)
    story.expect(served, "The requests do not find what is in the application's database.",
                 expected=f"{REQUESTS} products", observed=answer["found"][:3])  # fmt: skip
    story.expect(opened <= MOST_CONNECTIONS, f"{REQUESTS} requests opened too many connections.",
                 expected=f"at most {MOST_CONNECTIONS}", observed=opened)  # fmt: skip
    story.expect(left == 0, "The application has ended, and connections are still open.",
                 expected=0, observed=left)  # fmt: skip


@client.scenario("each application talks to the server of its own address", on="mongodb")
async def own_address(story: Story) -> None:
    with EmbeddedMongo() as first, EmbeddedMongo() as second:
        for number, server in enumerate((first, second), start=1):
            shop = _counted(story, server, 2)
            call = f"application {number} in the same process, with another address"
            answer = await story.ask(run_application, call=call, url=shop.url, skus=shop.skus)
            right = answer["found"] == [{"sku": sku} for sku in shop.skus]
            elsewhere = shop.opened() == 0 and answer["found"] == [None] * len(shop.skus)
            story.saw(went_elsewhere=elsewhere or story.seen.went_elsewhere is True)
            story.expect(right, "The application does not find what is at its own address.",
                         expected=shop.skus, observed=answer["found"])  # fmt: skip


@client.scenario("an error inside comes through, and the client is closed all the same", on="mongodb")
async def closes_after_an_error(story: Story) -> None:
    with EmbeddedMongo() as server:
        shop = _counted(story, server, 1)
        answer = await story.ask(fail_inside, call="the application ends with an error", url=shop.url)
        left = await shop.left_open()
    story.saw(left_open=max(left, story.seen.left_open or 0))
    story.expect(answer["came_through"], "The application's error was swallowed.")
    story.expect(left == 0, "After an error connections are still open.", expected=0, observed=left)


@client.scenario("an application without its server does not start", on="mongodb")
async def needs_a_server(story: Story) -> None:
    answer = await story.ask(start_without_server, call="an application starts where no server listens")
    story.saw(started_without_server=answer["started"])
    story.expect(not answer["started"], "It started as if all were well.",
                 expected="an error", observed="it started")  # fmt: skip
