"""13.9.4: say how stale you are, judged by the answers under a clock that the judge sets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import async_sessionmaker

from lab_support.database import WRITES
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_09.order_feed import BEGIN, Feed
from lab_support.exercises.s13_09.order_pages import SOURCES, CaughtUp, OrderStatus, PageBase
from lab_support.exercises.story import Story
from lab_support.messaging import Event

staleness = Exercise(
    id="13.9.4",
    title="Say how stale you are",
    task="Answer from a read model, and say up to which moment the answer is known to be complete.",
    student_writes=("OrderView",),
    witness="answers",
    limit_s=20.0,
    hints=(
        "Nothing has come for an hour. Has nothing happened, or is the bus down? Which message tells the two apart? "
        "And an event that comes an hour late: is what it says an hour old, or new?",
        "A row of `HeardOf` for each source, written in the transaction of the effect: the newest `occurred_at` that "
        "was heard of it, also of other orders, and of `CaughtUp`. The answer is as old as the source that was heard "
        "least far. The clock only says how long ago that is.",
        "heard = await session.get(HeardOf, event.aggregate_type, with_for_update=True)\n"
        "if heard is not None and event.occurred_at <= heard.as_of:\n    return  # a copy\n...\n"
        "as_of = min(heard_of.values()) if len(heard_of) == len(SOURCES) else None",
    ),
    misconceptions=(
        Misconception(
            "pretends-fresh",
            "You believe that an answer is as new as the moment in which it is given. Your table may have heard "
            "nothing for an hour: tell the moment up to which it has heard, not the time.",
            lambda seen: seen.time_of_the_answer,
        ),
        Misconception(
            "clock-of-the-reader",
            "You believe that what you hear now happens now. Events wait in outboxes and on the bus; by your own clock "
            "a delay of an hour cannot be seen: take `occurred_at`, by the clock of the service that sent it.",
            lambda seen: seen.time_of_hearing,
        ),
        Misconception(
            "freshest-source-wins",
            "You believe that the newest thing you heard dates the whole answer. It has two sources, and one of them "
            "may be silent: an answer is complete up to where the slowest of them was heard.",
            lambda seen: seen.freshest_source,
        ),
        Misconception(
            "age-of-the-row",
            "You believe that a row which has not changed is stale. Nothing happened to the order since, and you know "
            "it, for its sources were heard after that: date the read model, not the row.",
            lambda seen: seen.age_of_the_row,
        ),
    ),
)


@staleness.act
async def run(attempt: Attempt, steps: list[dict[str, Any]]) -> list[Any]:
    """Have a new view hear events and answer questions, each at a moment that the clock shows then."""
    now = [BEGIN]
    sessions = async_sessionmaker(attempt.engine, expire_on_commit=False, execution_options=dict(WRITES))
    view = attempt.the("OrderView")(sessions, lambda: now[0])
    answers = []
    for step in steps:
        now[0] = datetime.fromisoformat(step["at"])
        if "event" in step:
            await view.hear(Event.model_validate(step["event"]))
        else:
            answers.append(_plain(await view.find(step["order_id"])))
    return answers


def _plain(page: dict[str, Any]) -> dict[str, Any]:
    as_of = page["as_of"]
    return {**page, "as_of": as_of.isoformat() if isinstance(as_of, datetime) else as_of}


@staleness.scenario("what was just heard is nearly fresh", points=2)
async def calm(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = Feed(story, run)
    feed.both_are_told()
    await feed.asked("both sources are heard at once", after_s=1)


@staleness.scenario("what came late is as old as it is", points=2)
async def late(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = Feed(story, run)
    feed.both_are_told(lag_s=story.random.randint(3_000, 9_000))
    await feed.asked("all events come hours late", after_s=1)


@staleness.scenario("silence makes an answer older, and word of a source makes it newer", points=3)
async def silence(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = Feed(story, run)
    feed.both_are_told()
    await feed.asked(
        "both sources are heard, then nothing for hours", after_s=story.random.randint(3_000, 9_000)
    )
    for source in SOURCES:
        feed.sends(CaughtUp(), source)
    await feed.asked("nothing has happened, and both sources say so", after_s=5)
    await feed.asked("the process is restarted", after_s=5)


@staleness.scenario("the source that was heard least far decides", points=2)
async def slowest(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = Feed(story, run)
    await feed.asked("nothing was heard yet", after_s=1)
    one, other = story.random.sample(SOURCES, 2)
    feed.others_are_told(sources=(one,))
    await feed.asked(f"only {one} was heard", after_s=1)
    feed.both_are_told()
    feed.passes(story.random.randint(600, 900))
    feed.sends(CaughtUp(), one)
    await feed.asked(f"{one} is heard again, {other} is not", after_s=1)


@staleness.scenario("a copy that comes late sets nothing back")
async def copy(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = Feed(story, run)
    first = feed.sends(OrderStatus(status="NEW"), "orders")
    feed.both_are_told()
    feed.passes(60)
    feed.hears(first)
    await feed.asked("a copy of an old event comes", after_s=1)


@staleness.scenario("a source whose clock is ahead makes no negative age")
async def ahead(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = Feed(story, run)
    feed.both_are_told(lag_s=-30)
    await feed.asked("the sources' clocks are half a minute ahead", after_s=1)
