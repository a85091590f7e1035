"""13.6.3: release stock after the world moved, judged by the shelf, the reservations and the reviews."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, update

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_06.deliveries import MOST_STATEMENTS, announced, deliver, deliver_at_once
from lab_support.exercises.s13_06.shelf import (
    expect_review,
    free_pieces,
    order_failed,
    released_lines,
    reservation_states,
    reserved,
    reviews_of,
)
from lab_support.exercises.s13_06.shop import CardBase, Stock
from lab_support.exercises.story import Story

DELIVERIES = 3

release = Exercise(
    id="13.6.3",
    title="Release stock after the world moved",
    task="Give reserved pieces back where that is still right, and call a person where it is not.",
    student_writes=("release_stock",),
    witness="rows",
    limit_s=20.0,
    hints=(
        "A compensation runs later than its action. What may have become of the product's row since then? And what "
        "does a count of the shelf do to pieces that were reserved before it?",
        "Add with one UPDATE that demands the same sku and the same stocktake. If it finds no row, write a Review "
        "with the event in it, mark the reservation, and return: the message is dealt with.",
        "put_back = await uow.session.execute(update(Stock)\n"
        "    .where(Stock.sku == held.sku, Stock.stocktake == held.stocktake)\n"
        "    .values(free=Stock.free + held.units))\nif put_back.rowcount == 0:\n    uow.session.add(Review(...))",
    ),
    misconceptions=(
        Misconception(
            "blind-add",
            "You believe that a compensation is the action backwards. The shelf was counted since then, and the count "
            "has the reserved pieces in it: adding them again sells what is not there.",
            lambda seen: seen.added_after_count,
        ),
        Misconception(
            "kills-the-consumer",
            "You believe that an error will make somebody look. The bus delivers the message again, and again it "
            "fails, and nothing behind it moves: a case for a person is a row for a person, and an acknowledgement.",
            lambda seen: seen.can_release and seen.never_acknowledged and not seen.added_after_count,
        ),
        Misconception(
            "silently-ignores",
            "You believe that what cannot be done need not be done. Pieces are missing, and nobody will ever know: "
            "leave a Review that says which order, which product, and why.",
            lambda seen: (
                seen.can_release and seen.ignored and not (seen.added_after_count or seen.never_acknowledged)
            ),
        ),
    ),
)


@release.act
async def fail(attempt: Attempt, event: dict[str, Any], dies_after: int = 0) -> dict[str, Any]:
    """Deliver one event once."""
    return await deliver(attempt, attempt.the("release_stock"), event, dies_after)


@release.act
async def fail_at_once(attempt: Attempt, event: dict[str, Any], copies: int) -> dict[str, Any]:
    """Deliver copies of one event at once, as several processes would."""
    return await deliver_at_once(attempt, attempt.the("release_stock"), event, copies)


@release.scenario("the pieces of a failed order are free again, and others learn of it")
async def calm(story: Story) -> None:
    await story.create(CardBase.metadata)
    order_id, held, free = await reserved(story, 2)
    other, _, others = await reserved(story, 1)
    failed = order_failed(story, order_id)
    await story.ask(fail, call="the failure of an order of two products", event=failed)
    wanted = {sku: free[sku] + units for sku, units in held.items()} | others
    story.saw(can_release=await free_pieces(story) == wanted)
    story.equal(await free_pieces(story), wanted, "The shelf is not what it should be.")
    story.equal(
        set((await reservation_states(story, order_id)).values()),
        {"RELEASED"},
        "A reservation is still open.",
    )
    story.equal(
        set((await reservation_states(story, other)).values()), {"HELD"}, "Another order lost its pieces."
    )
    story.equal(await released_lines(story, order_id), held, "StockReleased does not tell what was released.")
    headers = (await announced(story, order_id, "StockReleased"))[0]["headers"]
    story.equal(headers.get("saga_id"), failed["saga_id"], "StockReleased does not name its saga.")
    story.equal(await reviews_of(story, order_id), [], "Everything was in order, and a person was called.")


@release.scenario("three deliveries release once")
async def copies(story: Story) -> None:
    await story.create(CardBase.metadata)
    order_id, held, free = await reserved(story, 1)
    failed = order_failed(story, order_id)
    for _ in range(DELIVERIES):
        await story.ask(fail, call="the same event, delivered three times", event=failed)
    wanted = {sku: free[sku] + units for sku, units in held.items()}
    story.equal(await free_pieces(story), wanted, "Three deliveries of one event did not release once.")
    story.equal(await released_lines(story, order_id), held, "StockReleased does not tell what was released.")


async def _deliver_after(story: Story, order_id: str, failed: dict[str, Any], what: str) -> bool:
    """Deliver three times, as a bus does that gets no acknowledgement; tell whether there was one."""
    errors = []
    for _ in range(DELIVERIES):
        answer = await story.ask(fail, call=f"a failure after {what}", may_fail=True, event=failed)
        errors += [answer.error.types[0]] if answer.error else []
    ended = len(errors) < DELIVERIES
    quiet = ended and not await reviews_of(story, order_id)
    story.saw(never_acknowledged=story.seen.never_acknowledged or not ended)
    story.saw(ignored=story.seen.ignored or quiet)
    story.expect(ended, f"The handler raises at every delivery after {what}: the message is never acknowledged.",
                 expected="a review, and no error", observed=errors[0] if errors else "")  # fmt: skip
    return ended


@release.scenario("a product that is gone needs a person; the others are released", points=2)
async def gone(story: Story) -> None:
    await story.create(CardBase.metadata)
    order_id, held, free = await reserved(story, 3)
    lost = story.random.choice(sorted(held))
    await story.write(delete(Stock).where(Stock.sku == lost))
    failed = order_failed(story, order_id)
    await _deliver_after(story, order_id, failed, "the product was discontinued")
    await expect_review(story, order_id, lost, failed, "The product's row is gone")
    left = {sku: units for sku, units in held.items() if sku != lost}
    wanted = {sku: free[sku] + units for sku, units in left.items()}
    story.equal(
        await free_pieces(story), wanted, "One product is gone, and the shelf of the others is wrong."
    )
    story.equal(await released_lines(story, order_id), left, "StockReleased does not tell what was released.")


@release.scenario("pieces reserved before a count are not added to it", points=2)
async def counted(story: Story) -> None:
    await story.create(CardBase.metadata)
    order_id, held, free = await reserved(story, 1)
    (sku, units), now = next(iter(held.items())), story.random.randint(50, 90)
    await story.write(update(Stock).values(free=now, stocktake=Stock.stocktake + 1))
    failed = order_failed(story, order_id)
    await _deliver_after(story, order_id, failed, f"the shelf of {free[sku]} was counted: {now}")
    found = (await free_pieces(story))[sku]
    story.saw(added_after_count=found > now)
    story.saw(ignored=story.seen.ignored and not found > now)
    story.expect(found == now, f"The count was {now}, with the {units} reserved in it, and you changed it.",
                 expected=now, observed=found)  # fmt: skip
    await expect_review(story, order_id, sku, failed, "The shelf was counted after the reservation")


def _somebody_counts(number: int) -> Callable[[Any], Any]:
    """Give the work of a rival: a count of the shelf."""

    async def work(connection: Any) -> None:
        await connection.execute(update(Stock).values(free=number, stocktake=Stock.stocktake + 1))

    return work


@release.scenario("a count that comes between reading and writing stands", on="postgresql", points=2)
async def race(story: Story) -> None:
    await story.create(CardBase.metadata)
    order_id, held, free = await reserved(story, 1)
    (sku, units), now = next(iter(held.items())), story.random.randint(50, 90)
    failed = order_failed(story, order_id)
    answer = await story.ask(
        fail, call="a failure, while somebody counts the shelf", may_fail=True,
        rival=_somebody_counts(now), rival_before=r'\s*UPDATE "?stock\b', event=failed,
    )  # fmt: skip
    if answer.error:
        await story.ask(fail, call="the same event again", event=failed)
    came, found = answer.rival == "came between", (await free_pieces(story))[sku]
    story.equal(found, now if came else free[sku] + units, "The shelf is not what it should be.")
    if came:
        await expect_review(story, order_id, sku, failed, "Somebody counted before your UPDATE")
    other, pieces, before = await reserved(story, 1)
    await story.ask(
        fail_at_once, call="three copies at once", event=order_failed(story, other), copies=DELIVERIES
    )
    wanted = {one: before[one] + number for one, number in pieces.items()}
    story.equal(
        {one: (await free_pieces(story))[one] for one in pieces}, wanted, "Three copies did not release once."
    )


@release.scenario("a process that dies after any statement leaves nothing half done")
async def deaths(story: Story) -> None:
    await story.create(CardBase.metadata)
    for number in range(1, MOST_STATEMENTS + 1):
        order_id, held, free = await reserved(story, 2)
        lost = min(held)
        await story.write(delete(Stock).where(Stock.sku == lost))
        failed = order_failed(story, order_id)
        dying = f"a failure; the process dies after statement {number}"
        answer = await story.ask(fail, call=dying, event=failed, dies_after=number)
        await story.ask(fail, call=f"the same again, after a death at statement {number}", event=failed)
        await expect_review(
            story, order_id, lost, failed, f"After a death at statement {number} a product is gone"
        )
        kept = max(held)
        story.equal(
            (await free_pieces(story))[kept], free[kept] + held[kept], "After a death the shelf is wrong."
        )
        if not answer["died"]:
            break
