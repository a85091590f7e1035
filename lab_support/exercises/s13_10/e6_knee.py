"""13.10.6: the knee, judged by the true throughput at the size that the student's search returns."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_10.server import LoadRun, LoadTests, Server
from lab_support.exercises.story import Story

GOOD_ENOUGH: Final = 0.9
SERVERS: Final = 6
ENOUGH: Final = 2_000

knee = Exercise(
    id="13.10.6",
    title="The knee",
    task="Find the pool size at which a server does its best, by load tests that are sometimes off.",
    student_writes=("find_pool_size",),
    witness="measured",
    hints=(
        "What does a server do with a connection for which it has no slot? How far apart are five runs with the same "
        "size, and which number of the five would you believe?",
        "`median` from `statistics` is not moved by one run that is off. Measure each size three times or more, then "
        "take the smallest whose median is close to the best one.",
        "found = {}\n"
        "for size in range(1, limit + 1):\n"
        "    found[size] = median([(await measure(size)).throughput for _ in range(5)])\n"
        "return min(size for size in found if found[size] >= 0.95 * max(found.values()))",
    ),
    misconceptions=(
        Misconception(
            "biggest-is-best",
            "You believe that more connections do more work. Beyond its slots the server only shares its time among "
            "more of them, and each switch costs: look for the knee, not for the limit.",
            lambda seen: seen.took_the_limit,
        ),
        Misconception(
            "best-of-one-run",
            "You believe what one run says. One in five is off by a lot, and the best of many single runs is most "
            "likely one of those: run each size several times, and compare medians.",
            lambda seen: seen.most_runs == 1 and seen.missed and not seen.took_the_limit,
        ),
    ),
)


class _EnoughError(BaseException):
    """Ends a search without end; no `except Exception` catches it."""


@knee.act
async def search(attempt: Attempt, server: Mapping[str, Any], seed: str) -> dict[str, Any]:
    """Let the student's search try a server; return its choice, and how often it measured one size at most."""
    tests, calls = LoadTests(Server(**server), seed), 0

    async def measure(size: int) -> LoadRun:
        nonlocal calls
        calls += 1
        if calls > ENOUGH:
            raise _EnoughError
        await asyncio.sleep(0)
        return tests.run(size)

    try:
        size = await attempt.the("find_pool_size")(measure, server["limit"])
    except _EnoughError:
        return {"size": None, "most_runs": max(tests.runs.values())}
    return {"size": size, "most_runs": max(tests.runs.values(), default=0)}


def _with_a_knee(story: Story) -> Server:
    draw = story.random
    slots = draw.randint(6, 14)
    return Server(
        slots, draw.randint(5, 50) / 1000, draw.choice([0.03, 0.04, 0.05]), 3 * slots + draw.randint(4, 9)
    )


def _in_words(server: Server) -> str:
    return f"find_pool_size(measure, {server.limit}), where the server has {server.slots} slots"


async def _searched(story: Story, servers: list[Server]) -> list[Any]:
    """Have each server searched, before one choice is judged."""
    chosen, runs = list[Any](), 0
    for server in servers:
        call = _in_words(server)
        seed = f"{story.random.getrandbits(40):010x}"
        answer = await story.ask(search, call=call, server=asdict(server), seed=seed)
        story.expect(
            answer["size"] is not None, f"The search measures without end, more than {ENOUGH} times."
        )
        size = answer["size"]
        story.expect(type(size) is int and 1 <= size <= server.limit, "The answer is no size that may be had.",
                     expected=f"1 to {server.limit}", observed=size)  # fmt: skip
        chosen.append(size)
        runs = max(runs, answer["most_runs"])
    story.saw(most_runs=max(runs, story.seen.most_runs or 0))
    return chosen


def _reaches(story: Story, servers: list[Server], chosen: list[int]) -> None:
    """Expect that each server does nearly its best at the size that was chosen for it."""
    reached = [server.throughput(size) / server.best for server, size in zip(servers, chosen, strict=True)]
    story.saw(missed=story.seen.missed or min(reached) < GOOD_ENOUGH)
    for server, size, share in zip(servers, chosen, reached, strict=True):
        story.last_call = _in_words(server)
        told = f"{size} connections: {server.throughput(size):.0f} of {server.best:.0f} requests per second"
        story.expect(share >= GOOD_ENOUGH, "The server does clearly less at your size than it could.",
                     expected=f"{GOOD_ENOUGH:.0%} of the best", observed=told)  # fmt: skip


@knee.scenario("the limit comes before the knee: what may be had is used")
async def before_the_knee(story: Story) -> None:
    draw = story.random
    servers = [
        Server(draw.randint(15, 20), draw.randint(5, 50) / 1000, 0.04, draw.randint(4, 8)) for _ in range(2)
    ]
    _reaches(story, servers, await _searched(story, servers))


@knee.scenario("the knee is found, however the runs scatter", points=3)
async def at_the_knee(story: Story) -> None:
    servers = [_with_a_knee(story) for _ in range(SERVERS)]
    chosen = await _searched(story, servers)
    story.saw(took_the_limit=chosen == [server.limit for server in servers])
    _reaches(story, servers, chosen)
