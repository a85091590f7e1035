"""13.5.2: one turn of a relay, judged by what the bus got and what the outbox holds, wherever the process ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import update

from lab_support.database import SimulatedDeath
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_05.deaths import MOST_MOMENTS, life_on, writers
from lab_support.exercises.s13_05.outbox_rows import Published, Row, draw, fill, ids_of, outbox_now, store
from lab_support.exercises.s13_05.recorded_bus import RecordedBus
from lab_support.exercises.s13_05.relayed import expect_all_out, expect_true_marks, remember, seen_on_bus
from lab_support.exercises.s13_05.shop import ATTEMPTS, OrdersBase, OutboxMessage
from lab_support.exercises.story import Answer, Story

relay = Exercise(
    id="13.5.2",
    title="The relay",
    task="Publish what waits in the outbox, so that nothing is lost and each aggregate's events keep their order.",
    student_writes=("relay_turn",),
    witness="measured",
    hints=(
        "Let the process end between your two steps, in either order: which of the two loses an event, and which only "
        "repeats it? And what does a row look like that waits, whatever its number?",
        "Read the rows whose `published_at` is NULL, by `seq`. Publish, and when `publish` has returned, mark. Keep a "
        "set of the aggregates that must wait: those with a refused or parked row before.",
        "for row in rows:\n    aggregate = (row.aggregatetype, row.aggregateid)\n    if row.parked_at or aggregate in "
        "waiting:\n        waiting.add(aggregate)\n        continue\n    try: await bus.publish(...)\n"
        "    except MessageRefused as refused: waiting.add(aggregate); ...",
    ),
    misconceptions=(
        Misconception(
            "mark-before-publish",
            "You believe that what is marked will be published. The process ended in between: the row says that it is "
            "out, nobody has it, and nobody looks again. Publish first; a repetition does no harm.",
            lambda seen: (seen.marked_for_nothing or 0) > 0,
        ),
        Misconception(
            "last-id-cursor",
            "You believe that numbers arrive in their order. A transaction that began earlier committed later, and its "
            "row has a lower number than your cursor: select what is not published, not what is newer.",
            lambda seen: seen.late_row_left and not seen.marked_for_nothing,
        ),
        Misconception(
            "poison-blocks-all",
            "You believe that order must be kept by all events together. One row that the broker refuses stops every "
            "other aggregate: only the later rows of its own have to wait.",
            lambda seen: seen.publishes_when_calm and seen.others_blocked and not seen.marked_for_nothing,
        ),
    ),
)


@relay.act
async def turn(
    attempt: Attempt, ends_at: int = 0, refuses: Sequence[str] = (), room: int | None = None
) -> dict[str, Any]:
    """Let the relay take one turn: it may end at a moment, meet refusals, or lose its broker."""
    error = ""
    with life_on(attempt.engine, ends_at) as life:
        bus = RecordedBus(life, refuses=refuses, room=room)
        try:
            await attempt.the("relay_turn")(writers(attempt), bus)
        except (SimulatedDeath, Exception) as raised:
            error = f"{type(raised).__name__}: {raised}"
            if not (life.over or refuses or room is not None):
                raise
    return {"log": bus.log, "error": error, "moments": life.moments, "refusals": bus.refusals}


async def _turns(story: Story, call: str, count: int = 1, **inputs: Any) -> tuple[Published, Answer]:
    """Let the relay take turns; return what the bus got in them, and the last answer."""
    log: Published = []
    for _ in range(count):
        answer = await story.ask(turn, call=call, **inputs)
        log += answer["log"]
    return log, answer


@relay.scenario("a turn publishes what waits, in the order of each aggregate, and once")
async def calm(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    old = await fill(story, "XYX", published=True)
    story.saw(out=[{"event_id": str(row["id"])} for row in old])
    rows = await fill(story, "ABACB")
    log, _ = await _turns(story, "one turn, five rows wait")
    await expect_all_out(story, rows, log, "One turn was taken")
    story.equal(len(log), len(rows), "An event was published twice, though nothing went wrong.")
    remember(story, log)
    log, _ = await _turns(story, "another turn, nothing waits")
    story.equal(len(log), 0, "What was published before is published again.")
    rows = await fill(story, "CA")
    log, _ = await _turns(story, "another turn, two new rows wait")
    await expect_all_out(story, rows, log, "Two more rows were stored")
    story.saw(publishes_when_calm=True)


@relay.scenario("a process that ends at any moment loses nothing and keeps the order", points=3)
async def ends_anywhere(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    story.saw(out=[])
    rows = await fill(story, "ABA")
    log, answer = await _turns(story, "one turn")
    await expect_all_out(story, rows, log, "One turn was taken")
    remember(story, log)
    for number, what in enumerate(answer["moments"][:MOST_MOMENTS], 1):
        rows = await fill(story, "ABA")
        told = f"The process ended {what}"
        log, _ = await _turns(story, f"a turn of a process that ends {what}", ends_at=number)
        await expect_true_marks(story, [*log, *seen_on_bus(story)], told)
        again, _ = await _turns(story, f"a turn of a new process, after one that ended {what}")
        await expect_all_out(story, rows, log + again, told)
        remember(story, log + again)


@relay.scenario("a row that is committed late, with a lower number, is published too")
async def late_commit(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    story.saw(out=[])
    early, late = (story.random.randint(2, 4) for _ in range(2))
    gap = draw(story, "L")
    rows = await fill(story, "AB" * early)
    log, _ = await _turns(story, "a turn, while a lower number is not committed yet")
    await expect_all_out(story, rows, log, "A turn was taken")
    remember(story, log)
    await store(story, gap)
    rows = await fill(story, "C" * late)
    log, _ = await _turns(story, "two turns after it is committed", count=2)
    got = ids_of(log)
    story.saw(late_row_left=str(gap[0]["id"]) not in got and str(rows[0]["id"]) in got)
    await expect_all_out(story, [*gap, *rows], log, "A row was committed late, with a lower number")


@relay.scenario("a row that the broker refuses holds back its own aggregate, and no other", points=2)
async def poison(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    story.saw(out=[])
    rows = await fill(story, "APBPpA")
    bad, held = rows[1], rows[3]
    healthy = [row for row in rows if row not in (bad, held)]
    out: Published = []
    for number in range(1, ATTEMPTS + 1):
        told = f"In turn {number} the broker refused a row of aggregate P"
        log, answer = await _turns(
            story, f"turn {number}; the broker refuses a row", refuses=[str(bad["id"])]
        )
        out += log
        overtook = str(held["id"]) in ids_of(out)
        story.expect(not overtook, f"{told}, and a later row of P went out before it.")
        await _others_are_out(story, healthy, out, answer, told)
        await _refusal_is_noted(story, bad, number, told)
        healthy += await fill(story, "BC")
    log, _ = await _turns(story, "a turn after the row is parked; the broker would take it now")
    out += log
    gone = {str(bad["id"]), str(held["id"])} & ids_of(out)
    story.expect(not gone, "A row of P is parked, and it or a later one of P was published all the same.")
    await _others_are_out(story, healthy, out, None, "A row is parked")
    await _freed(story, [bad, held], out)


async def _others_are_out(
    story: Story, healthy: Sequence[Row], log: Published, answer: Answer | None, told: str
) -> None:
    got = ids_of(log)
    left = [row for row in healthy if str(row["id"]) not in got]
    story.saw(others_blocked=story.seen.others_blocked or bool(left))
    error = f"; the turn ended in {answer['error']}" if answer and answer["error"] else ""
    story.expect(not left, f"{told}, and rows of other aggregates were not published.",
                 expected="all rows of the others", observed=f"{len(left)} not published{error}")  # fmt: skip
    await expect_all_out(story, healthy, log, told)


async def _refusal_is_noted(story: Story, bad: Row, number: int, told: str) -> None:
    row = next(one for one in await outbox_now(story) if one["id"] == bad["id"])
    story.equal(
        row["attempts"], number, f"{told}, and `attempts` does not count the turns in which it was refused."
    )
    story.equal(
        row["parked_at"] is not None,
        number >= ATTEMPTS,
        f"{told}; it is parked after {ATTEMPTS}, not before.",
    )
    story.expect(row["last_error"], f"{told}, and `last_error` does not say so.")


async def _freed(story: Story, rows: Sequence[Row], out: Published) -> None:
    """Somebody mends the broker and frees the parked row: it goes out, and what waited for it."""
    remember(story, out)
    await story.write(update(OutboxMessage).values(parked_at=None, attempts=0))
    log, _ = await _turns(story, "two turns after somebody freed the parked row", count=2)
    await expect_all_out(story, rows, log, "The parked row was freed")


@relay.scenario("a broker that goes away in the middle is no fault of a row")
async def broker_away(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    story.saw(out=[])
    rows = await fill(story, "ABAB")
    out: Published = []
    for _ in range(ATTEMPTS + 1):
        log, _answer = await _turns(
            story, "a turn; the broker takes one message and goes away", room=0 if out else 1
        )
        out += log
        now = await expect_true_marks(story, out, "The broker went away")
        blamed = [row["seq"] for row in now if row["attempts"] or row["parked_at"]]
        story.equal(blamed, [], "The broker went away, and rows were blamed for it.")
    log, _ = await _turns(story, "a turn after the broker came back")
    await expect_all_out(story, rows, out + log, "The broker came back")
