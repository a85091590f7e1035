"""13.9.4: say how stale you are, judged by the answers under a clock that the judge sets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import async_sessionmaker

from lab_support.database import WRITES
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_09.order_pages import (
    EVENTS,
    SOURCES,
    CaughtUp,
    OrderStatus,
    PageBase,
    PaymentStatus,
)
from lab_support.exercises.story import Story
from lab_support.messaging import Event, encode

BEGIN = datetime(2031, 3, 1, 12, tzinfo=UTC)
EXACT_S = 0.001

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


class _Feed:
    """Two sources that send, a view that hears, and what a right answer says."""

    def __init__(self, story: Story) -> None:
        self.story, self.draw = story, story.random
        self.order_id = self.new_id()
        self.now = BEGIN + timedelta(
            seconds=self.draw.randint(1, 10**6), microseconds=self.draw.randint(1, 10**6)
        )
        self.known: dict[str, Any] = {"status": None, "paid": None}
        self.heard: dict[str, datetime] = {}
        self.heard_at: set[datetime] = set()
        self.row_at: set[datetime] = set()
        self._steps: list[dict[str, Any]] = []

    def new_id(self) -> str:
        return str(UUID(int=self.draw.getrandbits(128), version=4))

    def passes(self, seconds: float) -> None:
        """Let time pass, and a little more that nobody can foresee."""
        self.now += timedelta(seconds=seconds, microseconds=self.draw.randint(1_000, 900_000))

    def sends(
        self, payload: BaseModel, source: str, *, lag_s: float = 0.0, about: str = ""
    ) -> dict[str, Any]:
        """Have the view hear what a source has sent `lag_s` seconds ago; return the step, for a copy of it."""
        self.passes(1)
        occurred_at = self.now - timedelta(seconds=lag_s, microseconds=self.draw.randint(1_000, 90_000))
        about = about or (source if isinstance(payload, CaughtUp) else self.order_id)
        made = EVENTS.event(payload, aggregate_type=source, aggregate_id=about, event_id=UUID(self.new_id()),
                            occurred_at=occurred_at)  # fmt: skip
        if about == self.order_id:
            self.known |= payload.model_dump()
            self.row_at.add(occurred_at)
        self.heard[source] = occurred_at
        return self.hears({"event": dict(json.loads(encode(made)))})

    def hears(self, step: dict[str, Any]) -> dict[str, Any]:
        """Have the view hear an event, now."""
        self._steps.append({**step, "at": self.now.isoformat()})
        self.heard_at.add(self.now)
        return step

    def both_are_told(self, *, lag_s: float = 0.0) -> None:
        """Have both sources tell of the order, and then of another one, so that the row is older than the news."""
        status, paid = self.draw.choice(["PAID", "PACKED", "SHIPPED"]), self.draw.choice([True, False])
        for source, payload in (
            (SOURCES[0], OrderStatus(status=status)),
            (SOURCES[1], PaymentStatus(paid=paid)),
        ):
            self.sends(payload, source, lag_s=lag_s)
        self.others_are_told(lag_s=lag_s)

    def others_are_told(self, *, lag_s: float = 0.0, sources: tuple[str, ...] = SOURCES) -> None:
        """Have sources tell of another order."""
        for source in sources:
            payload = OrderStatus(status="PAID") if source == SOURCES[0] else PaymentStatus(paid=True)
            self.sends(payload, source, lag_s=lag_s, about=self.new_id())

    async def asked(self, call: str, *, after_s: float) -> None:
        """Ask a new view for the order `after_s` seconds later, and expect the right answer."""
        self.passes(after_s)
        steps = [*self._steps, {"order_id": self.order_id, "at": self.now.isoformat()}]
        self._steps = []  # the next view finds what this one has stored
        (page,) = (await self.story.ask(run, call=f"{call}; then find(…)", steps=steps)).value
        as_of = min(self.heard.values()) if len(self.heard) == len(SOURCES) else None
        found = _moment(page["as_of"])
        self._note(found, as_of)
        shown = {name: page[name] for name in ("order_id", *self.known)}
        self.story.equal(shown, {"order_id": self.order_id, **self.known}, "The page says something else.")
        self.story.expect(found == as_of, "`as_of` is another moment than that up to which all has been heard.",
                          expected=as_of, observed=page["as_of"])  # fmt: skip
        age = None if as_of is None else max(0.0, (self.now - as_of).total_seconds())
        told = page["age_s"]
        right = told is None if age is None else abs(float(told) - age) < EXACT_S
        self.story.expect(right, "`age_s` is not the time since `as_of`.", expected=age, observed=told)

    def _note(self, found: Any, wanted: datetime | None) -> None:
        """Note whose time a wrong `as_of` is."""
        seen, wrong = self.story.seen, found is not None and found != wanted
        position = found in self.heard.values()
        self.story.saw(
            time_of_the_answer=seen.time_of_the_answer or (wrong and found == self.now),
            time_of_hearing=seen.time_of_hearing or (wrong and found in self.heard_at),
            freshest_source=seen.freshest_source or (wrong and position),
            age_of_the_row=seen.age_of_the_row or (wrong and found in self.row_at and not position),
        )


def _moment(told: Any) -> Any:
    try:
        return datetime.fromisoformat(told) if told is not None else None
    except (TypeError, ValueError):
        return told


@staleness.scenario("what was just heard is nearly fresh", points=2)
async def calm(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = _Feed(story)
    feed.both_are_told()
    await feed.asked("both sources are heard at once", after_s=1)


@staleness.scenario("what came late is as old as it is", points=2)
async def late(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = _Feed(story)
    feed.both_are_told(lag_s=story.random.randint(3_000, 9_000))
    await feed.asked("all events come hours late", after_s=1)


@staleness.scenario("silence makes an answer older, and word of a source makes it newer", points=3)
async def silence(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = _Feed(story)
    feed.both_are_told()
    await feed.asked(
        "both sources are heard, then nothing for hours", after_s=story.random.randint(3_000, 9_000)
    )
    for source in SOURCES:
        feed.sends(CaughtUp(), source)
    await feed.asked("nothing has happened, and both sources say so", after_s=5)


@staleness.scenario("the source that was heard least far decides", points=2)
async def slowest(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = _Feed(story)
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
    feed = _Feed(story)
    first = feed.sends(OrderStatus(status="NEW"), "orders")
    feed.both_are_told()
    feed.passes(60)
    feed.hears(first)
    await feed.asked("a copy of an old event comes", after_s=1)


@staleness.scenario("a source whose clock is ahead makes no negative age")
async def ahead(story: Story) -> None:
    await story.create(PageBase.metadata)
    feed = _Feed(story)
    feed.both_are_told(lag_s=-30)
    await feed.asked("the sources' clocks are half a minute ahead", after_s=1)
