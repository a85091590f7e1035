"""13.9.3: a projector, judged by the summaries after copies, disorder, deaths and a rebuild."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import WRITES, fault
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_09.order_books import OrderBooks, Reader, summaries, wrong_rows
from lab_support.exercises.s13_09.summaries import OrderSummary, SummaryBase
from lab_support.exercises.story import Story
from lab_support.messaging import Event

MOST_STATEMENTS = 8

projector = Exercise(
    id="13.9.3",
    title="The projector",
    task="Keep a table of order summaries by events, and build it anew while it is read.",
    student_writes=("project", "rebuild"),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Three questions. An event comes again: which line of your code sees that? PAID comes after SHIPPED: which of "
        "the two is newer, and how do you know? You build anew: what do readers see meanwhile, and what does your "
        "inbox say to the first event of the history?",
        "`receive(session, Inbox, CONSUMER, event)` first, in the transaction of the effect. A status is written only "
        "`where(OrderSummary.status_number < change.number)`. A rebuild is one transaction: delete the summaries and "
        "this consumer's marks in the inbox, then replay every event as `project` would.",
        "async with sessions.begin() as session:\n    await session.execute(delete(OrderSummary))\n"
        "    await session.execute(delete(Inbox).where(Inbox.consumer == CONSUMER))\n"
        "    async for event in history:\n        if await receive(session, Inbox, CONSUMER, event):\n"
        "            await _apply(session, event)",
    ),
    misconceptions=(
        Misconception(
            "not-idempotent",
            "You believe that an event comes once. A bus delivers at least once, and what your handler added was added "
            "again: note the event's id in the inbox, in the same transaction as its effect.",
            lambda seen: seen.calm_wrong == "" and seen.repeated_wrong,
        ),
        Misconception(
            "older-overwrites-newer",
            "You believe that the last event to arrive is the last that happened. An older status overtaken on the way "
            "replaced a newer one: compare its number with that of the status you show.",
            lambda seen: seen.calm_wrong == "" and seen.reordered_wrong,
        ),
        Misconception(
            "cannot-rebuild",
            "You believe that a read model is written once. It will be wrong one day, or need a new column. Delete it "
            "and the inbox's marks, and replay the history, all in one transaction: so readers see the old rows or the "
            "new ones, and copies that come later are known.",
            lambda seen: (
                seen.calm_wrong == ""
                and (seen.rebuilt_wrong or seen.gap or (seen.copy_after_wrong and not seen.repeated_wrong))
            ),
        ),
    ),
)


def _writers(attempt: Attempt) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(attempt.engine, expire_on_commit=False, execution_options=dict(WRITES))


@projector.act
async def deliver(attempt: Attempt, events: list[dict[str, Any]], dies_after: int = 0) -> dict[str, Any]:
    """Hand events to the projector; with `dies_after`, its process dies after so many statements of the first."""
    project, sessions = attempt.the("project"), _writers(attempt)
    received = [Event.model_validate(event) for event in events]
    if not dies_after:
        for event in received:
            await project(sessions, event)
        return {"died": False}
    with fault(attempt.engine, after_statement=dies_after, how="die") as injected:
        await project(sessions, received[0])
    return {"died": injected.reached}


@projector.act
async def build_anew(attempt: Attempt, events: list[dict[str, Any]], orders: list[str]) -> dict[str, Any]:
    """Have the read model rebuilt from a history, while somebody reads it."""
    reader = Reader({*orders})

    async def history() -> AsyncIterator[Event]:
        for event in events:
            reader.look()
            yield Event.model_validate(event)
        reader.look()

    with reader.beside(attempt.engine):
        await attempt.the("rebuild")(_writers(attempt), history())
    return {"fewest": reader.fewest}


async def _is_right(story: Story, books: OrderBooks, message: str, fact: str) -> None:
    """Expect the summaries to be the truth; note under `fact` that they are not."""
    wrong = wrong_rows(books.truth, await summaries(story))
    story.saw(**{fact: story.seen.get(fact) or wrong})
    story.expect(not wrong, message, expected="the sum of each order's lines, and its newest status",
                 observed=wrong)  # fmt: skip


@projector.scenario("events in order, each once, make the summaries")
async def calm(story: Story) -> None:
    await story.create(SummaryBase.metadata)
    books = OrderBooks(story.random)
    await story.ask(deliver, call="project(…) each event, in order", events=books.events)
    await _is_right(story, books, "The summaries are wrong.", "calm_wrong")


@projector.scenario("copies of an event change nothing", points=2)
async def copies(story: Story) -> None:
    await story.create(SummaryBase.metadata)
    books = OrderBooks(story.random)
    twice = [event for event in books.events for _ in range(story.random.choice([2, 2, 3]))]
    answer = await story.ask(
        deliver, call="project(…) each event, and its copies at once", may_fail=True, events=twice
    )
    if answer.error is not None:
        story.saw(repeated_wrong="IntegrityError" in answer.error.types)
        story.expect(False, "An event that comes again raises.", observed=answer.error.text)
    await _is_right(story, books, "After copies the summaries are wrong.", "repeated_wrong")


@projector.scenario("events in any order end in the same summaries", points=2)
async def disorder(story: Story) -> None:
    await story.create(SummaryBase.metadata)
    for how in ("the newest first", "in any order"):
        books = OrderBooks(story.random)
        mixed = books.events[::-1]
        if how == "in any order":
            story.random.shuffle(mixed)
        await story.write("DELETE FROM order_summaries")
        await story.ask(deliver, call=f"project(…) each event once, {how}", events=mixed)
        await _is_right(
            story, books, f"The events came {how}, and the summaries are wrong.", "reordered_wrong"
        )


@projector.scenario("a process that dies after any statement leaves nothing half done")
async def deaths(story: Story) -> None:
    await story.create(SummaryBase.metadata)
    books = OrderBooks(story.random, orders=1)
    await story.ask(deliver, call="project(…) each event", events=books.events)
    (order_id,) = books.truth
    for number in range(1, MOST_STATEMENTS + 1):
        events = [books.happens(story.random, order_id)]
        call = f"project(…); the process dies after statement {number}"
        died = (await story.ask(deliver, call=call, events=events, dies_after=number))["died"]
        await story.ask(deliver, call="project(…) the same event again, after the death", events=events)
        await _is_right(
            story, books, f"After a death at statement {number} the summary is wrong.", "death_wrong"
        )
        if not died:
            break


async def _spoil(story: Story, books: OrderBooks) -> None:
    """Make one summary wrong, and add one of an order that never was."""
    order_id = story.random.choice(sorted(books.truth))
    spoilt = update(OrderSummary).where(OrderSummary.order_id == order_id)
    await story.write(spoilt.values(units=OrderSummary.units + 100, status="LOST", status_number=99))
    await story.write(insert(OrderSummary), [{"order_id": f"{story.random.getrandbits(48):x}"}])


@projector.scenario("a rebuild ends in the truth, and readers never see less than all orders", points=3)
async def anew(story: Story) -> None:
    await story.create(SummaryBase.metadata)
    books = OrderBooks(story.random)
    await story.ask(deliver, call="project(…) each event, in order", events=books.events)
    await _spoil(story, books)
    history, orders = list(books.events), sorted(books.truth)
    call = "rebuild(…) from the history, after the table was spoilt"
    fewest = (await story.ask(build_anew, call=call, events=history, orders=orders))["fewest"]
    await _is_right(story, books, "After the rebuild the summaries are wrong.", "rebuilt_wrong")
    story.saw(gap=fewest < len(orders))
    story.equal(fewest, len(orders), "While you build anew, a reader sees so many of the orders.")
    copy = [story.random.choice(history[:2])]
    await story.ask(deliver, call="project(…) a copy of an old event, after the rebuild", events=copy)
    await _is_right(story, books, "A copy that came after the rebuild was added again.", "copy_after_wrong")
    news = [books.happens(story.random, orders[0])]
    await story.ask(deliver, call="project(…) a new event, after the rebuild", events=news)
    await _is_right(story, books, "After the rebuild a new event is not projected.", "new_after_wrong")
