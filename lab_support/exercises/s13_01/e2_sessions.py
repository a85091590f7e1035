"""13.1.2: session factory and dependency, judged by rows, by the pool, and by what two requests see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Depends, FastAPI
from sqlalchemy import MetaData, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.exercises.attempt import Attempt, OnPurposeError
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story

sessions = Exercise(
    id="13.1.2",
    title="Session factory and get_session",
    task="Give every request a session of its own that returns its connection whatever happens.",
    student_writes=("make_sessions", "get_session"),
    witness="measured",
    hints=(
        "Follow one request that fails. Who gives its connection back, and what becomes of its rows?",
        "`async with factory() as session:` closes in every case; the factory is in `request.app.state.sessions`; "
        "`expire_on_commit=False` keeps loaded attributes readable after a commit.",
        "async with request.app.state.sessions() as session:\n    yield session",
    ),
    misconceptions=(
        Misconception(
            "one-global-session",
            "You believe that a session is like a connection pool, made once and shared. It is one conversation: "
            "two requests in it see, commit and roll back each other's work. Open one per request.",
            lambda seen: seen.distinct_sessions is not None and seen.distinct_sessions == 1,
        ),
        Misconception(
            "commits-on-error",
            "You believe that the dependency should commit in any case. In `finally` that also keeps the rows of a "
            "request that failed. Commit where the work succeeded; on an error only roll back.",
            lambda seen: (seen.kept_of_failed or 0) > 0 and seen.distinct_sessions > 1,
        ),
        Misconception(
            "expires-on-commit",
            "You believe that an object stays as it was after commit. By default its attributes expire, and reading "
            "one needs a query that async code may not make there: expire_on_commit=False.",
            lambda seen: "MissingGreenlet" in (seen.errors or ()) and seen.distinct_sessions > 1,
        ),
        Misconception(
            "never-closes",
            "You believe that a session closes itself when it is no longer used. It keeps its connection until it is "
            "closed; use `async with`, so that an error closes it too.",
            lambda seen: (seen.still_out or 0) > 0 and seen.distinct_sessions > 1,
        ),
    ),
)


class _Base(DeclarativeBase):
    metadata = MetaData()


class Mark(_Base):
    """One row per request, so that the judge can tell whose work was kept."""

    __tablename__ = "marks"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str]


Endpoint = Callable[[AsyncSession], Coroutine[Any, Any, Any]]


def _app(attempt: Attempt, endpoint: Endpoint, kept: list[AsyncSession]) -> FastAPI:
    """Build an application whose one route hands a session of the student's to `endpoint`."""
    app = FastAPI()
    app.state.sessions = attempt.the("make_sessions")(attempt.engine)
    get_session = attempt.the("get_session")

    @app.post("/marks")
    async def post(session: AsyncSession = Depends(get_session)) -> Any:  # noqa: B008 - get_session is local
        kept.append(session)  # so that no garbage collector closes what the student forgot
        return await endpoint(session)

    return app


@sessions.act
async def many_requests(attempt: Attempt, words: list[str], failing: list[str]) -> dict[str, Any]:
    """Post one mark per word, one after the other; those in `failing` raise before they commit."""
    used: list[AsyncSession] = []
    waiting = iter(words)

    async def leave_a_mark(session: AsyncSession) -> None:
        word = next(waiting)
        session.add(Mark(word=word))
        await session.flush()
        if word in failing:
            raise OnPurposeError("this request fails on purpose")
        await session.commit()

    app, statuses, out = _app(attempt, leave_a_mark, used), [], 0
    async with attempt.client(app) as client:
        for _ in words:
            statuses.append((await client.post("/marks")).status_code)
            out = attempt.checked_out
            if out > 1:
                break
    for session in used:
        await session.close()
    return {"statuses": statuses, "distinct_sessions": len({id(one) for one in used}), "still_out": out}


@sessions.act
async def read_after_commit(attempt: Attempt, word: str) -> dict[str, Any]:
    """Save a mark, commit, and read its attributes afterwards."""

    async def save(session: AsyncSession) -> dict[str, Any]:
        mark = Mark(word=word)
        session.add(mark)
        await session.commit()
        return {"word": mark.word}

    async with attempt.client(_app(attempt, save, [])) as client:
        answer = await client.post("/marks")
    return {"status": answer.status_code, "body": answer.json() if answer.status_code == 200 else None}


@sessions.act
async def two_at_once(attempt: Attempt, word: str) -> dict[str, Any]:
    """Let one request flush and wait while a second one counts the rows it can see."""
    flushed, counted = asyncio.Event(), asyncio.Event()
    turns = iter(("writes", "counts"))

    async def take_turns(session: AsyncSession) -> int:
        if next(turns) == "counts":
            return await session.scalar(select(func.count()).select_from(Mark)) or 0
        session.add(Mark(word=word))
        await session.flush()
        flushed.set()
        await counted.wait()
        await session.rollback()
        return 0

    async with attempt.client(_app(attempt, take_turns, [])) as client:
        writer = asyncio.create_task(client.post("/marks"))
        waiting = asyncio.create_task(flushed.wait())
        await asyncio.wait({writer, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        reader = await client.post("/marks")
        counted.set()
        wrote = await writer
    seen = reader.json() if reader.status_code == 200 else None
    return {"statuses": [wrote.status_code, reader.status_code], "seen": seen}


@sessions.scenario("after 50 requests of which half fail, every connection is back", points=2)
async def connections_come_back(story: Story) -> None:
    await story.create(_Base.metadata)
    words = [f"w{number}" for number in story.random.sample(range(10_000), 50)]
    failing = story.random.sample(words, 25)
    answer = await story.ask(
        many_requests, call="50 requests, 25 of which raise after a flush", words=words, failing=failing
    )
    kept = {row["word"] for row in await story.rows(select(Mark.word))}
    story.saw(
        distinct_sessions=answer["distinct_sessions"],
        still_out=answer["still_out"],
        kept_of_failed=len(kept & {*failing}),
    )
    story.equal(answer["still_out"], 0, "Connections are still checked out after their requests have ended.")
    story.equal(len(kept & {*failing}), 0, "Rows of failed requests were kept.")
    expected = [500 if word in failing else 200 for word in words]
    told, tally = "A request got an answer that is not its own.", Counter(answer["statuses"])
    observed = ", ".join(f"{many} times {status}" for status, many in tally.items())
    story.expect(
        answer["statuses"] == expected, told, expected="25 times 200, 25 times 500", observed=observed
    )
    story.equal(len(kept), 25, "The rows of the requests that succeeded are not all there.")


@sessions.scenario("an object is readable after its commit")
async def readable_after_commit(story: Story) -> None:
    await story.create(_Base.metadata)
    word = f"w{story.random.randint(1, 10_000)}"
    answer = await story.ask(read_after_commit, call="add, commit, then read the object", word=word)
    story.equal(answer["status"], 200, "Reading the object after the commit failed.")
    story.equal(answer["body"], {"word": word}, "The object read after the commit is another one.")


@sessions.scenario("two concurrent requests never see each other's uncommitted rows", on="postgresql")
async def requests_are_isolated(story: Story) -> None:
    await story.create(_Base.metadata)
    answer = await story.ask(
        two_at_once, call="one request flushes and waits; another counts", word="half done"
    )
    story.saw(saw_uncommitted=answer["seen"])
    story.equal(answer["seen"], 0, "A request saw rows that another had not committed.")
    story.equal(answer["statuses"], [200, 200], "One of two concurrent requests failed.")
    story.equal(len(await story.rows(select(Mark.word))), 0, "A row that was rolled back is in the table.")
