"""13.5.3: the idempotent consumer, judged by stock and inbox after repetitions, deaths and copies at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Update, insert, select, update

from lab_support.database import SimulatedDeath
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Load, Misconception
from lab_support.exercises.s13_05.deaths import MOST_MOMENTS, life_on, writers
from lab_support.exercises.s13_05.meeting import first_writes_meet
from lab_support.exercises.s13_05.shelf import expect_on_hand, inbox_row, on_hand, open_shelf, order_created
from lab_support.exercises.s13_05.shop import CONSUMER, Article, InboxMessage
from lab_support.exercises.story import Story
from lab_support.messaging import Event

COPIES = 5
CROWD = Load(connections=COPIES, lock_s=8)

consumer = Exercise(
    id="13.5.3",
    title="The idempotent consumer",
    task="Take the pieces of an order from the shelf, once, however often its event comes.",
    student_writes=("handle",),
    witness="rows",
    hints=(
        "The event comes twice: at the same time, after a crash, to another process. What do all of these share? "
        "And can a row say that the event is done, when its effect was rolled back?",
        "Insert the event's id into the inbox first, in the transaction of the effect. Its primary key lets one "
        "through; a copy waits for it, and is refused. A savepoint keeps that refusal from ending your transaction.",
        "async with sessions.begin() as session:\n    try:\n        async with session.begin_nested():\n"
        "            session.add(InboxMessage(consumer=CONSUMER, ...))\n    except IntegrityError:\n        return",
    ),
    misconceptions=(
        Misconception(
            "check-then-insert",
            "You believe that what you looked up is still true when you write. A copy came between, in another "
            "process, where no lock of yours reaches: let the primary key of the inbox decide, by an INSERT, first.",
            lambda seen: (
                seen.once_when_calm and seen.race_lost and not (seen.wrong_after_death or seen.done_again)
            ),
        ),
        Misconception(
            "inbox-in-other-transaction",
            "You believe that inbox and effect may be two commits. The process ended between them, so that one was "
            "kept without the other: write both in one transaction.",
            lambda seen: seen.once_when_calm and seen.commits > 1 and seen.wrong_after_death,
        ),
        Misconception(
            "remembers-in-memory",
            "You believe that a process remembers what it has done. Another process, and this one after a restart, "
            "knows nothing of it: remember in the inbox, which all of them read.",
            lambda seen: seen.once_when_calm and seen.done_again,
        ),
    ),
)


@consumer.act
async def deliver(attempt: Attempt, event: dict[str, Any], ends_at: int = 0) -> dict[str, Any]:
    """Deliver an event once, to a process that may end at a moment."""
    with life_on(attempt.engine, ends_at) as life:
        try:
            await attempt.the("handle")(writers(attempt), Event.model_validate(event))
        except (SimulatedDeath, Exception):
            if not life.over:
                raise
    return {"moments": life.moments}


@consumer.act
async def deliver_at_once(attempt: Attempt, event: dict[str, Any]) -> dict[str, Any]:
    """Deliver copies of an event at the same time: each waits with its first write until the others come to theirs."""
    sessions, copy = writers(attempt), Event.model_validate(event)
    with first_writes_meet(attempt.engine, COPIES):
        answers = await asyncio.gather(
            *(attempt.the("handle")(sessions, copy) for _ in range(COPIES)), return_exceptions=True
        )
    return {"errors": [type(one).__name__ for one in answers if isinstance(one, BaseException)]}


@consumer.scenario("each event takes its pieces once, and a repetition takes nothing")
async def calm(story: Story) -> None:
    sku, left = await open_shelf(story)
    events = [order_created(story, sku) for _ in range(3)]
    for event, pieces in events:
        left -= pieces
        answer = await story.ask(
            deliver, call=f"handle(sessions, <OrderCreated of {pieces} pieces>)", event=event
        )
        story.saw(commits=answer.commits)
        await expect_on_hand(story, sku, left, "After one delivery the shelf holds another number of pieces.")
    for event, pieces in reversed(events):
        await story.ask(deliver, call=f"the same event again, of {pieces} pieces", event=event)
        await expect_on_hand(story, sku, left, "After a repetition the shelf holds another number of pieces.")
    story.saw(once_when_calm=True)
    rows = await story.rows(select(InboxMessage.consumer, InboxMessage.event_id, InboxMessage.type))
    wanted = [(CONSUMER, event["event_id"], "OrderCreated") for event, _ in events]
    held = sorted((row["consumer"], str(row["event_id"]), row["type"]) for row in rows)
    story.equal(held, sorted(wanted), "The inbox does not hold what was dealt with.")


@consumer.scenario("what another process has dealt with is known, what another consumer has is not")
async def elsewhere(story: Story) -> None:
    sku, left = await open_shelf(story)
    event, pieces = order_created(story, sku)
    await story.write(insert(InboxMessage), [inbox_row(event, CONSUMER)])
    await story.ask(deliver, call="an event that another process has dealt with", event=event)
    story.saw(done_again=await on_hand(story, sku) == left - pieces)
    await expect_on_hand(story, sku, left, "The inbox knew the event, and it had its effect again.")
    event, pieces = order_created(story, sku)
    await story.write(insert(InboxMessage), [inbox_row(event, "mails")])
    await story.ask(deliver, call="an event that another consumer of this inbox has dealt with", event=event)
    await expect_on_hand(
        story, sku, left - pieces, "Only the consumer 'mails' knew the event, and it had no effect."
    )


@consumer.scenario(
    "a process that ends at any moment and gets the event again takes its pieces once", points=2
)
async def ends_anywhere(story: Story) -> None:
    sku, left = await open_shelf(story)
    event, pieces = order_created(story, sku)
    moments = (await story.ask(deliver, call="an event", event=event))["moments"]
    left -= pieces
    await expect_on_hand(story, sku, left, "After one delivery the shelf holds another number of pieces.")
    for number, what in enumerate(moments[:MOST_MOMENTS], 1):
        event, pieces = order_created(story, sku)
        left -= pieces
        await story.ask(deliver, call=f"an event to a process that ends {what}", event=event, ends_at=number)
        await story.ask(deliver, call=f"the same event, after the process ended {what}", event=event)
        story.saw(wrong_after_death=await on_hand(story, sku) != left)
        times = (left + pieces - await on_hand(story, sku)) // pieces
        told = f"The process ended {what}, and after the repetition the effect is there {times} times."
        await expect_on_hand(story, sku, left, told)


@consumer.scenario("an effect that the database refuses comes out as an error, and can be tried again")
async def refused(story: Story) -> None:
    sku, left = await open_shelf(story)
    event, _ = order_created(story, sku, quantity=left + 1)
    answer = await story.ask(
        deliver, call="an event that asks for a piece too many", may_fail=True, event=event
    )
    await expect_on_hand(story, sku, left, "The event could not have its effect, and the shelf has changed.")
    told = "The event had no effect, and the bus was told that it had: it will not come again."
    story.expect(answer.error is not None, told, expected="an error", observed="a normal return")
    await story.write(update(Article).where(Article.sku == sku).values(on_hand=left + 3))
    await story.ask(deliver, call="the same event, after the shelf was filled", event=event)
    await expect_on_hand(story, sku, 2, "The event came again and could have its effect, and it has none.")


@consumer.scenario(
    "what another process does in between is not done again, and not undone", on="postgresql", points=2
)
async def rivals(story: Story) -> None:
    sku, left = await open_shelf(story)
    await _a_copy_in_between(story, sku, left)
    await _another_order_in_between(story, sku)


async def _a_copy_in_between(story: Story, sku: str, left: int) -> None:
    event, pieces = order_created(story, sku)

    async def another_process(connection: Any) -> None:
        await connection.execute(insert(InboxMessage).values(inbox_row(event, CONSUMER)))
        await connection.execute(_taken(sku, pieces))

    answer = await story.ask(
        deliver, call="an event; before your first write another process deals with its copy", may_fail=True,
        rival=another_process, event=event,
    )  # fmt: skip
    errors = [answer.error.types[0]] if answer.error else []
    await _expect_one_effect(story, event, sku, left - pieces, errors)


async def _another_order_in_between(story: Story, sku: str) -> None:
    left, (event, pieces) = await on_hand(story, sku), order_created(story, sku)
    taken = story.random.randint(11, 99)

    async def another_process(connection: Any) -> None:
        await connection.execute(_taken(sku, taken))

    answer = await story.ask(
        deliver, call=f"an event; before your UPDATE another order takes {taken} pieces", may_fail=True,
        rival=another_process, rival_before=r'\s*UPDATE\s+"?articles\b', event=event,
    )  # fmt: skip
    left -= taken if answer.rival == "came between" else 0
    if answer.error is not None:  # whoever notices and gives up gets the event again
        await story.ask(deliver, call="the same event again", event=event)
    await expect_on_hand(
        story, sku, left - pieces, "Two orders took pieces, and the shelf does not show both."
    )


def _taken(sku: str, pieces: int) -> Update:
    return update(Article).where(Article.sku == sku).values(on_hand=Article.on_hand - pieces)


@consumer.scenario(f"{COPIES} copies at the same time have one effect", on="postgresql", points=2, load=CROWD)
async def at_once(story: Story) -> None:
    sku, left = await open_shelf(story)
    event, pieces = order_created(story, sku)
    answer = await story.ask(deliver_at_once, call=f"{COPIES} copies of one event at once", event=event)
    await _expect_one_effect(story, event, sku, left - pieces, answer["errors"])


async def _expect_one_effect(
    story: Story, event: dict[str, Any], sku: str, left: int, errors: list[str]
) -> None:
    now = await on_hand(story, sku)
    story.saw(race_lost=story.seen.race_lost or now < left or "IntegrityError" in errors)
    story.equal(now, left, "Copies came at the same time, and the shelf does not show one effect.")
    told = "A copy that came at the same time ended in an error, so the bus takes it for a failure."
    story.equal(errors, [], told)
    await story.ask(deliver, call="one more copy, later", event=event)
    await expect_on_hand(story, sku, left, "One more copy came later, and had an effect.")
