"""13.4.3: a unit of work, judged by rows and by the pool, however the block is left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from sqlalchemy import MetaData, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.exercises.attempt import Attempt, OnPurposeError
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story

unit_of_work = Exercise(
    id="13.4.3",
    title="UnitOfWork",
    task="Write the block in which one business change happens: kept by an explicit commit, undone otherwise.",
    student_writes=("UnitOfWork",),
    witness="rows",
    hints=(
        "There are four ways to leave the block: after a commit, without one, by an error, by a cancellation. What "
        "must be true after each?",
        "`__aenter__` opens the session and returns self; `__aexit__` runs however the block is left. Closing a "
        "session rolls back what is not committed, and gives the connection back.",
        "async def __aexit__(self, *_):\n    await self.session.close()  # returns None: the error goes on",
    ),
    misconceptions=(
        Misconception(
            "commits-on-exit-always",
            "You believe that whoever leaves the block has finished. An error leaves it too, and half of the work was "
            "kept: commit only where somebody says so.",
            lambda seen: (seen.kept_after_error or 0) > 0,
        ),
        Misconception(
            "swallows-exceptions",
            "You believe that `__aexit__` has dealt with an error when it has rolled back. By returning True it hides "
            "the error from the caller: return None.",
            lambda seen: seen.swallowed is True,
        ),
        Misconception(
            "leaves-session-open",
            "You believe that a session ends with the block. Its transaction goes on and keeps a connection until "
            "somebody closes it: do it in `__aexit__`, in every case.",
            lambda seen: (seen.still_out or 0) > 0,
        ),
    ),
)


class _Base(DeclarativeBase):
    metadata = MetaData()


class Entry(_Base):
    """One row of a business change."""

    __tablename__ = "entries"
    word: Mapped[str] = mapped_column(primary_key=True)


@unit_of_work.act
async def leave(
    attempt: Attempt, words: list[str], later: list[str], commit: bool, end: str
) -> dict[str, Any]:
    """Add words, commit if asked to, add later ones, and leave: at the end, by an error, or cancelled."""
    units: list[Any] = []
    inside = asyncio.Event()

    async def block() -> None:
        async with attempt.the("UnitOfWork")(attempt.sessions) as unit:
            units.append(unit)
            for some, is_last in ((words, False), (later, True)):
                unit.session.add_all([Entry(word=word) for word in some])
                await unit.session.flush()
                if commit and not is_last:
                    await unit.commit()
            if end == "error":
                raise OnPurposeError("the work failed half-way")
            if end == "cancelled":
                inside.set()
                await asyncio.Event().wait()

    came_out = await _how_it_ended(asyncio.create_task(block()), inside)
    out = attempt.checked_out
    for unit in units:
        with suppress(Exception):
            await unit.session.close()
    return {"came_out": came_out, "still_out": out}


async def _how_it_ended(task: asyncio.Task[None], inside: asyncio.Event) -> str:
    """Wait for the block; cancel it once it waits inside."""
    waiting = asyncio.create_task(inside.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if inside.is_set():
        task.cancel()
    try:
        await task
    except OnPurposeError:
        return "error"
    except asyncio.CancelledError:
        return "cancelled"
    return "nothing"


@unit_of_work.act
async def two_units(attempt: Attempt) -> dict[str, Any]:
    """Open two units at once and look whether they share a session."""
    make = attempt.the("UnitOfWork")
    async with make(attempt.sessions) as first, make(attempt.sessions) as second:
        return {"shared": first.session is second.session}


async def _left(
    story: Story, *, end: str, commit: bool = False, later: int = 0
) -> tuple[list[str], set[str]]:
    """Leave a block in a way; check what holds in every case; return the first words and the rows that are left."""
    drawn = [f"w{number}" for number in story.random.sample(range(10**6), 2 + later)]
    words, more = drawn[:2], drawn[2:]
    told = f"{len(words)} rows{', commit' if commit else ''}{', one more row' if later else ''}"
    call = f"{told}; the block is left {'at its end' if end == 'nothing' else 'by ' + end}"
    answer = await story.ask(leave, call=call, words=words, later=more, commit=commit, end=end)
    kept = {row["word"] for row in await story.rows(select(Entry.word))}
    unasked = kept & ({*more} if commit else {*drawn})
    story.saw(still_out=max(story.seen.still_out or 0, answer["still_out"]))
    if end != "nothing":
        story.saw(
            kept_after_error=(story.seen.kept_after_error or 0) + len(unasked),
            swallowed=answer["came_out"] == "nothing" or story.seen.swallowed,
        )
    story.equal(answer["still_out"], 0, "A connection is still in use after the block.")
    story.equal(answer["came_out"], end, "The caller sees another end of the block than there was.")
    story.equal(len(unasked), 0, "Rows are kept that nobody committed.")
    return words, kept


@unit_of_work.scenario("what is committed is kept, what comes after is not")
async def committed(story: Story) -> None:
    await story.create(_Base.metadata)
    for later in (0, 1):
        words, kept = await _left(story, end="nothing", commit=True, later=later)
        story.equal({*words} - kept, set(), "Rows are missing that were committed.")


@unit_of_work.scenario("a block that is left without a commit keeps nothing")
async def not_committed(story: Story) -> None:
    await story.create(_Base.metadata)
    await _left(story, end="nothing")


@unit_of_work.scenario("an error undoes everything and comes out", points=2)
async def failed(story: Story) -> None:
    await story.create(_Base.metadata)
    await _left(story, end="error")
    words, kept = await _left(story, end="error", commit=True, later=1)
    story.equal({*words} - kept, set(), "Rows are missing that were committed before the error.")


@unit_of_work.scenario("a cancelled task gives its connection back and keeps nothing")
async def cancelled(story: Story) -> None:
    await story.create(_Base.metadata)
    await _left(story, end="cancelled")


@unit_of_work.scenario("two units at once have a session each")
async def not_shared(story: Story) -> None:
    await story.create(_Base.metadata)
    answer = await story.ask(two_units, call="two units of work at once")
    story.equal(answer["shared"], False, "Two units of work share one session.")
