"""13.10.1: pool sizes under a server's limit, judged by the pools they make and by a server that counts."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import TimeoutError as NoFreeConnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story
from lab_support.exercises.student_code import means_not_attempted, one_line

FIRST_SIZE = 10
DRAWS = 24
NO_WAIT_S = 0.01

Service = dict[str, int]

sizes = Exercise(
    id="13.10.1",
    title="Pools of many workers",
    task="Size the pools of all workers so that together they stay under the server's limit.",
    student_writes=("pool_options",),
    witness="measured",
    limit_s=20.0,
    hints=(
        "How many pools are there in all? How many connections may be open at once in one of them, and which two "
        "numbers say that? What do 0 and -1 mean to SQLAlchemy?",
        "Divide what the service may have by the number of its pools, and round down: `//`. A pool's limit is "
        "pool_size + max_overflow. Less than one connection for each pool is a ValueError.",
        "share = (max_connections - reserved) // (workers * engines)\n"
        "if share < 1:\n    raise ValueError(...)\n"
        'return {"pool_size": min(share, 10), "max_overflow": 0}',
    ),
    misconceptions=(
        Misconception(
            "per-worker-forgotten",
            "You believe that there is one pool. Each worker is a process with pools of its own, and they know nothing "
            "of each other: divide by the number of workers, too.",
            lambda seen: not seen.unlimited and _forgets_workers(seen.over),
        ),
        Misconception(
            "unlimited-overflow",
            "You believe that a pool without a limit never makes anybody wait. max_overflow=-1 and pool_size=0 mean no "
            "limit at all: the first rush opens more connections than the server has, and it refuses everybody.",
            lambda seen: seen.unlimited,
        ),
    ),
)


def _forgets_workers(over: list[dict[str, Any]]) -> bool:
    """Whether one worker alone would always stay under the limit, and only to ignore the others explains all."""
    for one in over:
        if one["limit"] * one["service"]["engines"] > _available(one["service"]):
            return False
    return any(_takes_workers_for_one(one["limit"], one["service"]) for one in over)


def _takes_workers_for_one(limit: int, service: Service) -> bool:
    """Whether it is too much even with one engine in each worker, and even with what is reserved."""
    too_many = limit * service["workers"] * service["engines"] > service["max_connections"]
    return too_many and limit * service["workers"] > _available(service)


def _available(service: Service) -> int:
    return service["max_connections"] - service["reserved"]


def _pools(service: Service) -> int:
    return service["workers"] * service["engines"]


def _share(service: Service) -> int:
    """Return how many connections each pool may have at once; the rest of the division stays free."""
    return min(FIRST_SIZE, _available(service) // _pools(service))


async def _options(attempt: Attempt, service: Service) -> dict[str, Any]:
    given = attempt.the("pool_options")(**service)
    return dict(await given if inspect.isawaitable(given) else given)


@sizes.act
async def made_pool(attempt: Attempt, service: Service) -> dict[str, Any]:
    """Make one engine with the student's options, and read how many connections its pool allows."""
    try:
        options = await _options(attempt, service)
    except ValueError as refused:
        if means_not_attempted(refused):
            raise
        return {"refused": True}
    pool: Any = create_async_engine(attempt.engine.url, **options).pool
    limit = None if pool._max_overflow < 0 else pool.size() + pool._max_overflow  # noqa: SLF001 - no public way
    return {"refused": False, "limit": limit}


@sizes.act
async def rush(attempt: Attempt, service: Service, user: str, password: str) -> dict[str, Any]:
    """Let every pool of every worker open connections until the pool says no, or the server does."""
    options = await _options(attempt, service)
    url = make_url(attempt.engine.url).set(username=user, password=password)
    opened, refused = 0, ""
    async with AsyncExitStack() as stack:
        for _ in range(_pools(service)):
            engine = await stack.enter_async_context(
                _engine(url if user else attempt.engine.url, options | {"pool_timeout": NO_WAIT_S})
            )
            try:
                while opened <= _available(service):
                    await stack.enter_async_context(engine.connect())
                    opened += 1
            except NoFreeConnectionError:
                continue
            except Exception as error:  # the server's, by whichever class the driver has for it
                refused = one_line(error)
                break
    return {"opened": opened, "refused": refused}


@asynccontextmanager
async def _engine(url: Any, options: dict[str, Any]) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url, **options)
    try:
        yield engine
    finally:
        await engine.dispose()


def _in_words(service: Service) -> str:
    return "pool_options(" + ", ".join(f"{name}={number}" for name, number in service.items()) + ")"


def _drawn(story: Story, share: int) -> Service:
    """Draw a service whose pools can have `share` connections each, with a rest that cannot be shared evenly."""
    draw = story.random
    workers, engines, reserved = draw.randint(3, 12), draw.randint(1, 3), draw.randint(1, 20)
    pools = workers * engines
    available = pools * share + draw.randrange(pools)
    return {
        "workers": workers,
        "engines": engines,
        "max_connections": available + reserved,
        "reserved": reserved,
    }


async def _are_sized(story: Story, services: list[Service]) -> None:
    """Expect pools that fit, and that use what there is; all are asked before one is judged."""
    limits: list[int | None] = []
    for service in services:
        answer = await story.ask(made_pool, call=_in_words(service), service=service)
        story.expect(
            not answer["refused"], "There is room for every pool, and it is refused.", expected="a pool"
        )
        limits.append(answer["limit"])
    asked = list(zip(services, limits, strict=True))
    over = [
        {"service": service, "limit": limit}
        for service, limit in asked
        if limit is not None and limit * _pools(service) > _available(service)
    ]
    story.saw(unlimited=story.seen.unlimited or None in limits, over=[*(story.seen.over or ()), *over])
    for service, limit in asked:
        _is_sized(story, service, limit)


def _is_sized(story: Story, service: Service, limit: int | None) -> None:
    story.last_call, share, pools = _in_words(service), _share(service), _pools(service)
    story.expect(limit is not None, "The pool has no limit at all.", expected=share, observed="no limit")
    limit = limit or 0
    told = f"{pools} pools of {limit} are {pools * limit} connections, of {_available(service)}"
    story.expect(limit * pools <= _available(service), "All pools together can open more than the service may have.",
                 expected=f"{pools} pools of {share}", observed=told)  # fmt: skip
    story.equal(limit, share, f"A pool gets {FIRST_SIZE} connections, or as many as there are for each.")


@sizes.scenario("plenty of connections: each pool gets ten")
async def plenty(story: Story) -> None:
    shares = story.random.sample(range(FIRST_SIZE, 40), 4)
    await _are_sized(story, [_drawn(story, share) for share in shares])


@sizes.scenario("few connections: all pools together stay under the limit, and use what there is", points=2)
async def few(story: Story) -> None:
    shares = [story.random.randint(1, FIRST_SIZE - 1) for _ in range(DRAWS)]
    await _are_sized(story, [_drawn(story, share) for share in shares])


@sizes.scenario("less than one connection for each pool is refused with a ValueError")
async def too_few(story: Story) -> None:
    draw = story.random
    some = _drawn(story, 0)
    nonsense = {"workers": 0, "engines": 1, "max_connections": draw.randint(50, 100), "reserved": 3}
    more_reserved = _drawn(story, 3)
    more_reserved["reserved"] = more_reserved["max_connections"] + draw.randint(0, 9)
    for service in (some, more_reserved, nonsense, nonsense | {"workers": 2, "engines": 0}):
        answer = await story.ask(made_pool, call=_in_words(service), service=service)
        story.expect(answer["refused"], "No size makes this work, and you return one.", expected="ValueError",
                     observed=f"a pool of {answer.value.get('limit')}")  # fmt: skip


@sizes.scenario("a real server, which counts the service's connections, refuses none of them", on="postgresql",
                points=2)  # fmt: skip
async def on_a_server(story: Story) -> None:
    draw = story.random
    share, workers, engines = draw.randint(2, 3), 3, draw.randint(1, 2)
    pools = workers * engines
    available, reserved = pools * share + draw.randrange(1, pools), draw.randint(2, 9)
    service = {
        "workers": workers, "engines": engines, "max_connections": available + reserved, "reserved": reserved,
    }  # fmt: skip
    async with _role(story, available) as (user, password):
        call = f"every pool of {_in_words(service)} opens all it may"
        answer = await story.ask(rush, call=call, service=service, user=user, password=password)
    expected = f"{share * pools} connections, none refused"
    story.expect(not answer["refused"], "The server refuses a connection.", expected=expected,
                 observed=f"{answer['refused']} after {answer['opened']} connections")  # fmt: skip
    story.equal(answer["opened"], share * pools, "The pools together open another number of connections.")


@asynccontextmanager
async def _role(story: Story, connections: int) -> AsyncIterator[tuple[str, str]]:
    """Give a user of its own that may have so many connections; on SQLite, which knows no users, none."""
    if story.dialect != "postgresql":
        yield "", ""
        return
    user, password = f"svc_{secrets.token_hex(8)}", secrets.token_hex(16)  # other checks use the same server
    await story.write(f"CREATE ROLE {user} LOGIN PASSWORD '{password}' CONNECTION LIMIT {connections}")
    try:
        yield user, password
    finally:
        await story.write(f"DROP ROLE {user}")
