"""13.6.4: compensation first, action second, judged by charges, refunds and receipts in every order of events."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from sqlalchemy import insert, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_06.deliveries import (
    MOST_STATEMENTS,
    amount_in,
    announced,
    deliver,
    event_about,
    money,
    new_id,
    refunds_of,
    shown,
)
from lab_support.exercises.s13_06.events import OrderConfirmed, OrderCreated, OrderFailed
from lab_support.exercises.s13_06.shop import CardBase, Payment
from lab_support.exercises.story import Story

tombstone = Exercise(
    id="13.6.4",
    title="Compensation first, action second",
    task="Charge, cancel and confirm a payment, whichever of the three events comes first.",
    student_writes=("charge", "cancel", "confirm"),
    witness="rows",
    limit_s=20.0,
    hints=(
        "A cancellation finds nothing to cancel. What must it leave behind, so that the charge that comes later knows? "
        "Where does that survive a restart? And which of the three events is the one after which nothing is undone?",
        "`cancel` adds a Payment with the state CANCELLED where the order has none. `charge` does nothing where the "
        "order has a row. order_id is unique, so whoever comes second at the same time gets an IntegrityError, and "
        "its event again. Only `confirm` announces ReceiptRequested.",
        "payment = await uow.session.scalar(select(Payment).where(Payment.order_id == event.aggregate_id)\n"
        "    .with_for_update())\nif payment is None:\n"
        "    uow.session.add(Payment(order_id=event.aggregate_id, amount=0, state=PaymentState.CANCELLED))",
    ),
    misconceptions=(
        Misconception(
            "applies-late-action",
            "You believe that an action comes before its compensation. Here it came after it, and the customer paid "
            "for an order that has ended: a cancellation that finds nothing leaves a row that says so.",
            lambda seen: seen.charged_late,
        ),
        Misconception(
            "forgets-the-tombstone-at-restart",
            "You believe that your process remembers. It was restarted between the two events, and the cancellation "
            "was forgotten: keep it as a row, in the transaction that deals with the event.",
            lambda seen: seen.charged_after_restart and not seen.charged_late,
        ),
        Misconception(
            "mails-before-pivot",
            "You believe that a receipt belongs to the charge. This order failed later, and no transaction calls a "
            "mail back: ask for it after the pivot, when the order is confirmed and can only go forward.",
            lambda seen: (seen.receipts_of_failed or 0) > 0,
        ),
    ),
)

HANDLERS = {"OrderCreated": "charge", "OrderFailed": "cancel", "OrderConfirmed": "confirm"}


@tombstone.act
async def receive(attempt: Attempt, event: dict[str, Any], dies_after: int = 0) -> dict[str, Any]:
    """Deliver one event to the handler of its type; with `dies_after`, the process dies after so many statements."""
    return await deliver(attempt, attempt.the(HANDLERS[event["type"]]), event, dies_after)


class _Order:
    """An order whose three events the judge delivers as it likes."""

    def __init__(self, story: Story) -> None:
        self.story, self.id = story, new_id(story.random)
        self.amount, self._saga = money(story.random), new_id(story.random)
        self.created = self._event(OrderCreated(amount=self.amount))
        self.failed = self._event(OrderFailed(reason="OUT_OF_STOCK", amount=self.amount))
        self.confirmed = self._event(OrderConfirmed())

    def _event(self, payload: BaseModel) -> dict[str, Any]:
        return event_about(self.story.random, self.id, payload, self._saga)

    async def told(self, event: dict[str, Any], call: str, **how: Any) -> Any:
        """Deliver one of the events."""
        return await self.story.ask(receive, call=call, event=event, **how)

    async def shows(self) -> dict[str, Any]:
        """Read what became of it."""
        states = await self.story.rows(
            select(Payment.state, Payment.amount).where(Payment.order_id == self.id)
        )
        told = {name: await announced(self.story, self.id, name) for name in ANNOUNCED}
        return {
            "states": [row["state"] for row in states],
            "charged": [row["amount"] for row in states if row["state"] != "CANCELLED"],
            "refunds": await refunds_of(self.story, self.id),
            **{name: len(found) for name, found in told.items()},
        }

    async def ends(self, when: str, **wanted: Any) -> None:
        """Expect what became of it."""
        found = await self.shows()
        differing = {name: found[name] for name, value in wanted.items() if found[name] != value}
        due = {name: wanted[name] for name in differing}
        told = f"{when} the books do not show what is due: {', '.join(differing)}."
        self.story.expect(not differing, told, expected=_told(due), observed=_told(differing))


ANNOUNCED = ("PaymentSuccessful", "PaymentRefunded", "ReceiptRequested")


def _told(facts: dict[str, Any]) -> str:
    amounts = ("charged", "refunds")
    return "; ".join(f"{name}: {shown(fact) if name in amounts else fact}" for name, fact in facts.items())


@tombstone.scenario("an order that is paid and confirmed gets one receipt, however often it is told")
async def calm(story: Story) -> None:
    await story.create(CardBase.metadata)
    order = _Order(story)
    for _ in range(2):
        await order.told(order.created, "OrderCreated, twice")
    await order.ends(
        "After OrderCreated came twice", states=["CHARGED"], charged=[order.amount], PaymentSuccessful=1
    )
    told = (await announced(story, order.id, "PaymentSuccessful"))[0]
    story.equal(amount_in(told["payload"]), order.amount, "PaymentSuccessful tells another amount.")
    story.equal(
        told["headers"].get("saga_id"), order.created["saga_id"], "PaymentSuccessful does not name its saga."
    )
    for _ in range(2):
        await order.told(order.confirmed, "OrderConfirmed, twice")
    await order.ends("After OrderConfirmed came twice", states=["CONFIRMED"], refunds=[], ReceiptRequested=1)


@tombstone.scenario("an order that is paid and then fails gets its money back, and no receipt", points=2)
async def in_order(story: Story) -> None:
    await story.create(CardBase.metadata)
    order = _Order(story)
    await order.told(order.created, "OrderCreated")
    for _ in range(2):
        await order.told(order.failed, "OrderFailed, twice, after the charge")
    story.saw(receipts_of_failed=(await order.shows())["ReceiptRequested"])
    await order.ends(
        "A paid order failed, and", states=["REFUNDED"], refunds=[order.amount], PaymentRefunded=1
    )
    await order.ends("A paid order failed, and", ReceiptRequested=0)
    await order.told(order.created, "OrderCreated again, after the refund")
    await order.ends(
        "OrderCreated came again after the refund, and", states=["REFUNDED"], PaymentSuccessful=1
    )


NOTHING: dict[str, Any] = {"charged": [], "refunds": [], "PaymentSuccessful": 0, "ReceiptRequested": 0}


@tombstone.scenario("a charge that comes after its cancellation is not made", points=2)
async def late(story: Story) -> None:
    await story.create(CardBase.metadata)
    order = _Order(story)
    for _ in range(2):
        await order.told(order.failed, "OrderFailed, twice, of an order nobody has seen here")
    await order.told(order.created, "OrderCreated, after its OrderFailed")
    story.saw(charged_late=bool((await order.shows())["charged"]))
    await order.ends("OrderCreated came after OrderFailed, and", **NOTHING)
    await order.ends("OrderFailed came first, and", states=["CANCELLED"])
    other = _Order(story)
    await other.told(other.created, "OrderCreated of another order")
    await other.ends("Another order was not cancelled, and", states=["CHARGED"])


@tombstone.scenario("a restart between the two forgets nothing", points=2)
async def restart(story: Story) -> None:
    await story.create(CardBase.metadata)
    order = _Order(story)
    await order.told(order.failed, "OrderFailed, to a process that ends then", fresh_process=True)
    await order.told(order.created, "OrderCreated, to the process after it")
    story.saw(charged_after_restart=bool((await order.shows())["charged"]))
    await order.ends("The process was restarted after OrderFailed, OrderCreated came, and", **NOTHING)


def _writes(order: _Order, state: str) -> Callable[[Any], Any]:
    """Give the work of a rival: the payment's row, written by another process."""

    async def work(connection: Any) -> None:
        amount = order.amount if state == "CHARGED" else Decimal(0)
        await connection.execute(insert(Payment).values(order_id=order.id, amount=amount, state=state))

    return work


async def _meets(order: _Order, event: dict[str, Any], state: str) -> bool:
    """Deliver while another process writes the payment's row, and again if that fails; tell whether it came between."""
    what = "cancels" if state == "CANCELLED" else "charges"
    answer = await order.told(
        event, f"{event['type']}, while another process {what}", may_fail=True,
        rival=_writes(order, state), rival_before=r"""\s*(INSERT INTO|UPDATE) "?payments\b""",
    )  # fmt: skip
    if answer.error:
        await order.told(event, f"{event['type']} again, since its delivery failed")
    return bool(answer.rival == "came between")


@tombstone.scenario("charge and cancellation that meet end in no charge", on="postgresql", points=2)
async def race(story: Story) -> None:
    await story.create(CardBase.metadata)
    order = _Order(story)
    came = await _meets(order, order.created, "CANCELLED")
    if came:
        await order.ends("Another process cancelled before your write, and", states=["CANCELLED"], **NOTHING)
    else:
        await order.ends("You kept another process out, and", states=["CHARGED"], PaymentSuccessful=1)
    order = _Order(story)
    came = await _meets(order, order.failed, "CHARGED")
    if came:
        await order.ends(
            "Another process charged before your write, and", states=["REFUNDED"], refunds=[order.amount]
        )
    else:
        await order.ends("You kept another process out, and", states=["CANCELLED"], **NOTHING)


@tombstone.scenario("a process that dies after any statement leaves nothing half done")
async def deaths(story: Story) -> None:
    await story.create(CardBase.metadata)
    for number in range(1, MOST_STATEMENTS + 1):
        order, died = _Order(story), False
        for event in (order.created, order.failed):
            call = f"{event['type']}; the process dies after statement {number}"
            died = (await order.told(event, call, dies_after=number))["died"] or died
            await order.told(event, f"{event['type']} again, after the death")
            if event is order.created:
                await order.ends(
                    f"After a death at statement {number},", states=["CHARGED"], PaymentSuccessful=1
                )
        await order.ends(f"After a death at statement {number},", states=["REFUNDED"], PaymentRefunded=1)
        await order.ends(f"After a death at statement {number},", refunds=[order.amount])
        if not died:
            break
