"""13.10.5: Motor's options, judged by the longest wait that they allow, and by a server that does not answer."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story

DRAWS: Final = 6
RUN_BUDGET_S: Final = 0.4
BLOCKED_MS: Final = 4_000
LONGEST_S: Final = 6.0
PHASES: Final = ("server selection", "wait for a connection", "connect", "answer")

motor_options = Exercise(
    id="13.10.5",
    title="Motor's options",
    task="Choose a client's options so that every operation ends within a budget, whatever the server does.",
    student_writes=("mongo_options",),
    witness="measured",
    limit_s=30.0,
    hints=(
        "For what does an operation wait, one after the other? Which of these waits has no limit if you say nothing? "
        "And what does the driver do when the first try has failed?",
        "`timeoutMS` bounds a whole operation, with its retries. Without it: serverSelectionTimeoutMS, "
        "waitQueueTimeoutMS, connectTimeoutMS and socketTimeoutMS add up, and retryReads and retryWrites double them.",
        'return {\n    "timeoutMS": int(budget_s * 1000),\n    "maxPoolSize": max_connections,\n    ...\n}',
    ),
    misconceptions=(
        Misconception(
            "default-waits-forever",
            "You believe that a driver gives up by itself. Motor waits for an answer, and for a free connection, as "
            "long as it takes: socketTimeoutMS and waitQueueTimeoutMS have no limit unless you set one.",
            lambda seen: seen.endless,
        ),
        Misconception(
            "timeout-after-retry-storm",
            "You believe that a limit is the end. After it the driver tries once more, with all its limits from the "
            "beginning, against a server that has too much to do already: halve the limits, turn retries off, or "
            "set timeoutMS, which counts them in.",
            lambda seen: not seen.endless and seen.retried_beyond and not seen.one_try_beyond,
        ),
        Misconception(
            "each-limit-is-the-whole",
            "You believe that each limit is the budget. An operation selects a server, waits for a connection, "
            "connects and waits for the answer, one after the other: share the budget among them.",
            lambda seen: not seen.endless and seen.one_try_beyond,
        ),
    ),
)


async def _options(attempt: Attempt, budget_s: float, max_connections: int) -> dict[str, Any]:
    given = attempt.the("mongo_options")(budget_s=budget_s, max_connections=max_connections)
    return dict(await given if inspect.isawaitable(given) else given)


@motor_options.act
async def effective(attempt: Attempt, budget_s: float, max_connections: int) -> dict[str, Any]:
    """Make a client, which connects to nothing, and read the limits that its driver really has."""
    from motor.motor_asyncio import AsyncIOMotorClient

    client: Any = AsyncIOMotorClient(**await _options(attempt, budget_s, max_connections))
    try:
        options = client.delegate.options
        pool = options.pool_options
        waits = (
            options.server_selection_timeout, pool.wait_queue_timeout, pool.connect_timeout, pool.socket_timeout,
        )  # fmt: skip
        retries = bool(options.retry_reads or options.retry_writes)
        return {"whole": options.timeout, "waits": waits, "retries": retries, "size": pool.max_pool_size}
    finally:
        client.close()


@motor_options.act
async def read_once(attempt: Attempt, url: str, budget_s: float) -> dict[str, Any]:
    """Read from a server that does not answer; count how often the driver asked, and whether it gave up."""
    from motor.motor_asyncio import AsyncIOMotorClient
    from pymongo.errors import PyMongoError
    from pymongo.monitoring import CommandListener

    asked: list[str] = []

    class _Asked(CommandListener):
        def started(self, event: Any) -> None:
            asked.append(event.command_name)

        def succeeded(self, event: Any) -> None:
            """Leave what succeeds alone."""

        def failed(self, event: Any) -> None:
            """Leave what fails alone."""

    options = await _options(attempt, budget_s, 5)
    client: Any = AsyncIOMotorClient(url, **options, appname="student", event_listeners=[_Asked()])
    try:
        async with asyncio.timeout(LONGEST_S):
            found = await client["shop"]["products"].find_one({})
        return {"ended": "an answer" if found is None else "a product", "asked": asked.count("find")}
    except PyMongoError as error:
        return {"ended": type(error).__name__, "asked": asked.count("find")}
    except TimeoutError:
        return {"ended": "", "asked": asked.count("find")}
    finally:
        client.close()


def _longest(limits: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the longest wait of one try and of a whole operation, in seconds; None where there is no end."""
    whole, waits = limits["whole"], limits["waits"]
    if whole is not None:
        return whole or None, whole or None  # 0 is no limit
    if any(not wait for wait in waits):
        return None, None
    one = sum(waits)
    return one, one * (2 if limits["retries"] else 1)


@motor_options.scenario("no operation can wait longer than its budget", points=3)
async def within_budget(story: Story) -> None:
    draw = story.random
    cases = [(draw.randint(8, 200) / 10, draw.randint(2, 60)) for _ in range(DRAWS)]
    for budget_s, connections in cases:
        call = f"mongo_options(budget_s={budget_s}, max_connections={connections})"
        answer = await story.ask(effective, call=call, budget_s=budget_s, max_connections=connections)
        one, whole = _longest(answer.value)
        beyond, shared = budget_s + 0.001 * len(PHASES), answer["whole"] is None  # whole milliseconds
        story.saw(
            endless=story.seen.endless or whole is None,
            one_try_beyond=story.seen.one_try_beyond or (shared and one is not None and one > beyond),
            retried_beyond=story.seen.retried_beyond or (shared and whole is not None and whole > beyond),
        )
        story.expect(whole is not None, "There is a wait without an end.", expected=f"{budget_s} s",
                     observed=_told(answer.value))  # fmt: skip
        story.expect((whole or 0) <= beyond, "One operation can take longer than its budget.",
                     expected=f"at most {budget_s} s", observed=f"{whole:.3f} s: {_told(answer.value)}")  # fmt: skip
        story.equal(answer["size"], connections, "The pool has another size.")


def _told(limits: Mapping[str, Any]) -> str:
    waits = [
        f"{phase} {wait:g} s" if wait else f"{phase} without an end"
        for phase, wait in zip(PHASES, limits["waits"], strict=True)
    ]
    return ", ".join(waits) + (", twice" if limits["retries"] else "")


@motor_options.scenario("a server that takes a command and never answers is given up", on="mongodb", points=2)
async def blocked(story: Story) -> None:
    admin = story.documents.client.admin
    blocking = {
        "failCommands": ["find"],
        "blockConnection": True,
        "blockTimeMS": BLOCKED_MS,
        "appName": "student",
    }
    admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": blocking})
    host, port = story.documents.client.address or ("", 0)
    try:
        answer = await story.ask(
            read_once, call=f"find_one() within {RUN_BUDGET_S} s, on a server that is blocked",
            url=f"mongodb://{host}:{port}/", budget_s=RUN_BUDGET_S,
        )  # fmt: skip
    finally:
        admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    _gave_up(story, answer)
    story.expect(answer["asked"] <= 1, "The driver asked the blocked server again.", expected="once at most",
                 observed=f"{answer['asked']} times")  # fmt: skip


@motor_options.scenario("a server that takes connections and says nothing is given up", on="mongodb")
async def silent(story: Story) -> None:
    with _listening() as port:
        answer = await story.ask(
            read_once, call=f"find_one() within {RUN_BUDGET_S} s, on a port that never answers",
            url=f"mongodb://127.0.0.1:{port}/", budget_s=RUN_BUDGET_S,
        )  # fmt: skip
    _gave_up(story, answer)


def _gave_up(story: Story, answer: Any) -> None:
    """Expect an error of the driver's own; `LONGEST_S` is no judgement, it only ends what has no end."""
    story.expect(answer["ended"].endswith(("Error", "Timeout", "Failure", "Reconnect")), "The driver did not give up.",
                 expected="an error of the driver's", observed=answer["ended"] or "it waited on")  # fmt: skip


@contextmanager
def _listening() -> Iterator[int]:
    """Listen on a port of this machine, accept nothing, and say nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silence:
        yield silence.getsockname()[1]
