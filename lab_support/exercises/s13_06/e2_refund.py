"""13.6.2: refund, judged by the money that went back after copies, other events, deaths and a rival."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select, update

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_06.deliveries import (
    MOST_STATEMENTS,
    amount_in,
    announced,
    count,
    deliver,
    deliver_at_once,
    event_about,
    money,
    new_id,
    refunds_of,
    shown,
)
from lab_support.exercises.s13_06.events import OrderFailed
from lab_support.exercises.s13_06.shop import CardBase, Payment, PaymentState, Refund
from lab_support.exercises.story import Story

refund = Exercise(
    id="13.6.2",
    title="Refund",
    task="Give the money of a failed order back: once, as much as was charged, and only if it was.",
    student_writes=("refund_payment",),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Who knows what was charged, and whether: the event, or your own table? And which row changes only once, "
        "however many events speak of it?",
        "One UPDATE that turns CHARGED into REFUNDED and returns id and amount. If it finds no row, there is "
        "nothing to do. Refund and PaymentRefunded belong in the same transaction.",
        "charged = await uow.session.execute(update(Payment)\n"
        "    .where(Payment.order_id == event.aggregate_id, Payment.state == PaymentState.CHARGED)\n"
        "    .values(state=PaymentState.REFUNDED).returning(Payment.id, Payment.amount))",
    ),
    misconceptions=(
        Misconception(
            "refunds-per-delivery",
            "You believe that an event comes once. A bus delivers at least once, and every copy paid the customer "
            "again: let the payment's own state decide whether there is anything to give back.",
            lambda seen: (seen.after_copies or 0) > 1,
        ),
        Misconception(
            "refunds-per-event",
            "You believe that an inbox is enough. It knows copies of one event; the deadline and the late answer are "
            "two events about one order. The compensation itself must be idempotent: ask the payment's state.",
            lambda seen: seen.after_copies == 1 and (seen.after_second_event or 0) > 1,
        ),
        Misconception(
            "trusts-amount-in-event",
            "You believe what the event says about money. It tells what Orders has reckoned; what was charged stands "
            "in your own payment, and only that can go back.",
            lambda seen: seen.gave_back and seen.gave_back == seen.told and seen.told != seen.charged,
        ),
        Misconception(
            "refunds-unpaid",
            "You believe that a payment's row means that money came in. This card was declined: give back only what "
            "is CHARGED.",
            lambda seen: bool(seen.for_declined),
        ),
        Misconception(
            "reads-then-refunds",
            "You believe that what you read is still true when you write. Another process gave the money back in "
            "between: let the UPDATE check the state, or lock the row before you read it.",
            lambda seen: (
                (seen.after_rival or 0) > 1 and seen.after_copies == 1 and seen.after_second_event == 1
            ),
        ),
    ),
)


@refund.act
async def fail(attempt: Attempt, event: dict[str, Any], dies_after: int = 0) -> dict[str, Any]:
    """Deliver one event once."""
    return await deliver(attempt, attempt.the("refund_payment"), event, dies_after)


@refund.act
async def fail_at_once(attempt: Attempt, event: dict[str, Any], copies: int) -> dict[str, Any]:
    """Deliver copies of one event at once, as several processes would."""
    return await deliver_at_once(attempt, attempt.the("refund_payment"), event, copies)


async def _paid_order(story: Story, state: PaymentState = PaymentState.CHARGED) -> tuple[str, Decimal]:
    """Seed a payment of some new order; return the order and the amount."""
    order_id, amount = new_id(story.random), money(story.random)
    row = {
        "id": story.random.randint(10_000, 900_000),
        "order_id": order_id,
        "amount": amount,
        "state": state,
    }
    await story.write(insert(Payment), [row])
    return order_id, amount


def _failed(story: Story, order_id: str, amount: Decimal, reason: str = "OUT_OF_STOCK") -> dict[str, Any]:
    return event_about(story.random, order_id, OrderFailed(reason=reason, amount=amount))


async def _once(story: Story, order_id: str, amount: Decimal, when: str) -> None:
    """Expect exactly one refund of that amount, one event that says so, and the payment's state."""
    refunds = await refunds_of(story, order_id)
    story.expect(refunds == [amount], f"{when} the refunds are not the one that is due.",
                 expected=shown([amount]), observed=shown(refunds))  # fmt: skip
    events = await announced(story, order_id, "PaymentRefunded")
    told = [amount_in(one["payload"]) for one in events]
    story.expect(told == [amount], f"{when} the outbox does not hold one PaymentRefunded with that amount.",
                 expected=shown([amount]), observed=shown(told))  # fmt: skip
    state = (await story.rows(select(Payment.state).where(Payment.order_id == order_id)))[0]["state"]
    story.equal(state, "REFUNDED", f"{when} the payment has another state.")


@refund.scenario("a failed order gets its money back, and others learn of it")
async def calm(story: Story) -> None:
    await story.create(CardBase.metadata)
    (order_id, amount), (other, _) = await _paid_order(story), await _paid_order(story)
    failed = _failed(story, order_id, amount)
    await story.ask(fail, call="the failure of a paid order", event=failed)
    await _once(story, order_id, amount, "After one failure")
    headers = (await announced(story, order_id, "PaymentRefunded"))[0]["headers"]
    story.equal(
        (headers.get("saga_id"), headers.get("causation_id")),
        (failed["saga_id"], failed["event_id"]),
        "PaymentRefunded does not name its saga and its cause.",
    )
    story.equal(await refunds_of(story, other), [], "An order that has not failed got its money back.")


@refund.scenario("what goes back is what was charged")
async def charged_amount(story: Story) -> None:
    await story.create(CardBase.metadata)
    order_id, charged = await _paid_order(story)
    told = charged + money(story.random)
    await story.ask(
        fail, call=f"a failure that tells of {told}, where {charged} were charged",
        event=_failed(story, order_id, told),
    )  # fmt: skip
    story.saw(charged=charged, told=told, gave_back=sum(await refunds_of(story, order_id), Decimal(0)))
    await _once(story, order_id, charged, "The event's amount differs from the charge, and")


@refund.scenario("three deliveries and a second event make one refund", points=2)
async def copies(story: Story) -> None:
    await story.create(CardBase.metadata)
    order_id, amount = await _paid_order(story)
    failed = _failed(story, order_id, amount)
    for _ in range(3):
        await story.ask(fail, call="the same event, delivered three times", event=failed)
    story.saw(after_copies=len(await refunds_of(story, order_id)))
    deadline = _failed(story, order_id, amount, "DEADLINE")
    await story.ask(fail, call="another event about the same order", event=deadline)
    story.saw(after_second_event=len(await refunds_of(story, order_id)))
    story.equal(story.seen.after_copies, 1, "Three deliveries of one event did not make one refund.")
    await _once(story, order_id, amount, "After a second event about the same order")


@refund.scenario("an order that was not paid gets nothing")
async def unpaid(story: Story) -> None:
    await story.create(CardBase.metadata)
    declined, amount = await _paid_order(story, PaymentState.DECLINED)
    unknown = new_id(story.random)
    for order_id, what in ((declined, "was declined"), (unknown, "nobody has seen here")):
        await story.ask(
            fail, call=f"the failure of an order whose payment {what}", event=_failed(story, order_id, amount)
        )
        refunds = await count(story, Refund)
        story.saw(for_declined=(story.seen.for_declined or 0) + (refunds if order_id == declined else 0))
        story.equal(refunds, 0, f"Money went back for a payment that {what}.")
        story.equal(await announced(story, order_id, "PaymentRefunded"), [], "PaymentRefunded is not true.")


def _another_process(order_id: str) -> Callable[[Any], Any]:
    """Give the work of a rival: the same refund, made by another process for another event."""

    async def work(connection: Any) -> None:
        mine = (Payment.order_id == order_id, Payment.state == "CHARGED")
        given = update(Payment).where(*mine).values(state="REFUNDED").returning(Payment.id, Payment.amount)
        for number, amount in (await connection.execute(given)).all():
            await connection.execute(insert(Refund).values(payment_id=number, amount=amount))

    return work


@refund.scenario("two processes make one refund", on="postgresql", points=2)
async def race(story: Story) -> None:
    await story.create(CardBase.metadata)
    order_id, amount = await _paid_order(story)
    await story.ask(
        fail, call="a failure, while another process refunds the same order", may_fail=True,
        rival=_another_process(order_id), rival_before=r"""\s*(UPDATE|INSERT INTO) "?(payments|refunds)\b""",
        event=_failed(story, order_id, amount),
    )  # fmt: skip
    refunds = await refunds_of(story, order_id)
    story.saw(after_rival=len(refunds))
    twice = "Another process gave the money back before your write, and you did so too."
    story.expect(refunds == [amount], twice if refunds else "The money did not go back.",
                 expected=shown([amount]), observed=shown(refunds))  # fmt: skip
    crowded, amount = await _paid_order(story)
    await story.ask(
        fail_at_once, call="three copies at once", event=_failed(story, crowded, amount), copies=3
    )
    await _once(story, crowded, amount, "After three copies at once")


@refund.scenario("a process that dies after any statement leaves nothing half done", points=2)
async def deaths(story: Story) -> None:
    await story.create(CardBase.metadata)
    for number in range(1, MOST_STATEMENTS + 1):
        order_id, amount = await _paid_order(story)
        failed = _failed(story, order_id, amount)
        answer = await story.ask(
            fail,
            call=f"a failure; the process dies after statement {number}",
            event=failed,
            dies_after=number,
        )
        await story.ask(fail, call=f"the same again, after a death at statement {number}", event=failed)
        await _once(
            story, order_id, amount, f"The process died after statement {number}, got the event again, and"
        )
        if not answer["died"]:
            break
