"""13.6.1: failure events, judged by a compensator that has nothing but the event."""

from __future__ import annotations

import inspect
import json
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import insert, select, update

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_06.deliveries import event_about, money, new_id, refunds_of
from lab_support.exercises.s13_06.errors import OutOfStock, UnknownSku
from lab_support.exercises.s13_06.events import Line, PaymentSuccessful
from lab_support.exercises.s13_06.shop import CardBase, Payment, Refund, Stock
from lab_support.exercises.story import Story
from lab_support.messaging import Event, encode

CODES = {
    "OutOfStock": "OUT_OF_STOCK",
    "UnknownSku": "UNKNOWN_SKU",
    "TimeoutError": "TIMEOUT",
    "RuntimeError": "INTERNAL_ERROR",
}
RAISED: dict[str, type[Exception]] = {
    "OutOfStock": OutOfStock,
    "UnknownSku": UnknownSku,
    "TimeoutError": TimeoutError,
    "RuntimeError": RuntimeError,
}
TO_COMPENSATE = ("payment_id", "amount", "reserved")

failure_events = Exercise(
    id="13.6.1",
    title="Failure events",
    task="Say what failed and why, so that others can undo their part with nothing but your event.",
    student_writes=("InventoryReservationFailed", "failure_event"),
    witness="answers",
    limit_s=20.0,
    hints=(
        "You are Payments, and all you have is this event. Which saga is it? How much money goes back, and for which "
        "payment? Now you are a program that branches on the reason: is a sentence of use to you?",
        "`reason` is a StrEnum; a table from exception class to code, with INTERNAL_ERROR for all others. "
        "`EventTypes.event(..., cause=cause)` takes saga_id and causation_id from the event you reacted to.",
        "paid = EVENTS.payload_of(cause)\npayload = InventoryReservationFailed(\n"
        "    reason=REASONS.get(type(error), Reason.INTERNAL_ERROR), sku=sku,\n"
        "    payment_id=paid.payment_id, amount=paid.amount, reserved=reserved)",
    ),
    misconceptions=(
        Misconception(
            "no-saga-id",
            "You believe that an event speaks for itself. Without the saga's id nobody knows which business "
            "transaction has failed, and nobody finds it in the logs: hand on the id of the event you reacted to.",
            lambda seen: seen.saga_lost,
        ),
        Misconception(
            "exception-text-as-reason",
            "You believe that an exception's text is a reason. Programs cannot branch on it, it changes with the next "
            "release, and this one told tables and a password to everybody who listens: publish a code, log the text.",
            lambda seen: seen.leaks,
        ),
        Misconception(
            "nothing-to-compensate-with",
            "You believe that others will look up what they need. They have no access to your tables, and theirs may "
            "have changed: put payment, amount and reserved pieces into the event.",
            lambda seen: seen.lacks,
        ),
    ),
)


class Promised(BaseModel):
    """The payload as Payments and Orders read it."""

    model_config = ConfigDict(extra="ignore")

    failed_step: str
    sku: str
    reason: str
    payment_id: int
    amount: str = Field(pattern=r"^\d+(\.\d+)?$")
    reserved: list[Line]


@failure_events.act
async def fail(
    attempt: Attempt, cause: dict[str, Any], reserved: list[dict[str, Any]], sku: str, error: str, text: str
) -> Any:
    """Have the event made; return it as JSON, or None if it is none."""
    lines = [Line.model_validate(one) for one in reserved]
    received, raised = Event.model_validate(cause), RAISED[error](text)
    made = attempt.the("failure_event")(received, lines, sku, raised)
    if inspect.isawaitable(made):
        made = await made
    return json.loads(encode(made)) if isinstance(made, Event) else None


@failure_events.act
async def read(attempt: Attempt, payload: dict[str, Any]) -> dict[str, Any]:
    """Have the model read a payload, and say whether it takes it."""
    try:
        attempt.the("InventoryReservationFailed").model_validate(payload)
    except ValidationError as refused:
        return {"taken": False, "why": str(refused.errors()[0]["loc"])}
    return {"taken": True, "why": ""}


class _Sale:
    """A paid order of some lines, of which Inventory reserves all but the last."""

    def __init__(self, story: Story, lines: int) -> None:
        draw = story.random
        self.story, self.order_id, self.amount = story, new_id(draw), money(draw)
        self.payment_id = draw.randint(10_000, 900_000)
        skus = [f"SKU-{one}" for one in draw.sample(range(10_000, 90_000), lines)]
        self.lines = [Line(sku=sku, quantity=draw.randint(1, 5)) for sku in skus]
        self.reserved, self.failed = self.lines[:-1], self.lines[-1]
        paid = PaymentSuccessful(payment_id=self.payment_id, amount=self.amount, lines=self.lines)
        self.cause = event_about(draw, self.order_id, paid)
        self.free = {sku: draw.randint(0, 30) for sku in skus}

    async def happens(self) -> None:
        """Write the tables as the failure leaves them: paid, and partly reserved."""
        row = {"id": self.payment_id, "order_id": self.order_id, "amount": self.amount, "state": "CHARGED"}
        await self.story.write(insert(Payment), [row])
        shelf = [{"sku": sku, "free": free, "stocktake": 1} for sku, free in self.free.items()]
        await self.story.write(insert(Stock), shelf)

    async def told(self, error: str = "OutOfStock", text: str = "") -> dict[str, Any]:
        """Have the failure announced; note what the event lacks or tells too much."""
        text = text or f"refused under number {self.story.random.getrandbits(40):x}"
        answer = await self.story.ask(
            fail, call=f"a reservation that failed with {error}", cause=self.cause, error=error, text=text,
            reserved=[one.model_dump() for one in self.reserved], sku=self.failed.sku,
        )  # fmt: skip
        made, seen = answer.value, self.story.seen
        self.story.expect(made is not None, "What came back is no Event.", expected="an Event")
        self.story.saw(
            saga_lost=seen.saga_lost or made["saga_id"] != self.cause["saga_id"],
            leaks=seen.leaks or text in json.dumps(made),
            lacks=seen.lacks or [name for name in TO_COMPENSATE if made["payload"].get(name) is None],
        )
        return dict(made)


async def _undo(story: Story, event: dict[str, Any]) -> None:
    """Compensate as the other services would: from the event alone."""
    try:
        told = Promised.model_validate(event["payload"])
    except ValidationError as unread:
        field, why = unread.errors()[0]["loc"], unread.errors()[0]["msg"]
        shown = ".".join(str(one) for one in field)
        story.expect(False, f"The others cannot read your payload: {shown}: {why}.",
                     expected=", ".join(Promised.model_fields), observed=sorted(event["payload"]))  # fmt: skip
        return
    known = {row["id"] for row in await story.rows(select(Payment.id))}
    story.expect(
        told.payment_id in known, "There is no payment with that payment_id.", observed=told.payment_id
    )
    await story.write(insert(Refund), [{"payment_id": told.payment_id, "amount": Decimal(told.amount)}])
    for line in told.reserved:
        put_back = update(Stock).where(Stock.sku == line.sku).values(free=Stock.free + line.quantity)
        await story.write(put_back)


async def _is_undone(story: Story, sale: _Sale) -> None:
    """Expect all money back, and the shelf as it was before the order."""
    story.equal(await refunds_of(story, sale.order_id), [sale.amount], "By your event another sum goes back.")
    held = {line.sku: line.quantity for line in sale.reserved}
    wanted = {sku: free + held.get(sku, 0) for sku, free in sale.free.items()}
    found = {row["sku"]: row["free"] for row in await story.rows(select(Stock.sku, Stock.free))}
    story.equal({sku: found[sku] for sku in wanted}, wanted, "By your event other pieces are released.")


@failure_events.scenario("others can undo their part with nothing but the event", points=3)
async def enough(story: Story) -> None:
    await story.create(CardBase.metadata)
    for lines in (3, 1):  # the second fails at its first line: nothing was reserved
        sale = _Sale(story, lines)
        await sale.happens()
        event = await sale.told()
        lacks = story.seen.lacks
        story.expect(not lacks, "The event lacks what others need to compensate.",
                     expected=", ".join(TO_COMPENSATE), observed=f"no {', '.join(lacks or ())}")  # fmt: skip
        await _undo(story, event)
        await _is_undone(story, sale)
        step = (event["payload"]["failed_step"], event["payload"]["sku"])
        story.equal(step, ("reserve_stock", sale.failed.sku), "The event does not say what failed.")


@failure_events.scenario("the event belongs to its saga, its order and its cause", points=2)
async def envelope(story: Story) -> None:
    sale = _Sale(story, 2)
    first, second = await sale.told(), await sale.told()
    cause = sale.cause
    for name, wanted in (
        ("saga_id", cause["saga_id"]),
        ("causation_id", cause["event_id"]),
        ("aggregate_type", cause["aggregate_type"]),
        ("aggregate_id", cause["aggregate_id"]),
        ("type", "InventoryReservationFailed"),
    ):
        story.equal(first[name], wanted, f"The event's {name} is another.")
    ids = {first["event_id"], second["event_id"], cause["event_id"]}
    story.equal(len(ids), 3, "Two events have one event_id: an inbox takes the second for a copy.")


@failure_events.scenario("the reason is a code, and no word of the error gets out", points=2)
async def reasons(story: Story) -> None:
    for error, code in CODES.items():
        secret = f"pw-{story.random.getrandbits(40):x}"
        text = f"constraint free_not_negative of table stock; login inventory:{secret}"
        event = await _Sale(story, 2).told(error, text)
        leaked = secret in json.dumps(event)
        story.saw(leaks=story.seen.leaks or leaked)
        story.expect(not leaked, "The event tells everybody what the error said: tables, and a password.",
                     expected=code, observed=event["payload"].get("reason"))  # fmt: skip
        story.equal(event["payload"].get("reason"), code, f"{error} has another code.")


@failure_events.scenario("the payload's model knows every code, and takes no free text")
async def model(story: Story) -> None:
    event = await _Sale(story, 2).told()
    for code in CODES.values():
        taken = await story.ask(
            read, call=f"a payload with the reason {code}", payload={**event["payload"], "reason": code}
        )
        story.expect(taken["taken"], f"Your model refuses the reason {code}.", observed=taken["why"])
    word = f"reason-{story.random.getrandbits(20):x}"
    taken = await story.ask(
        read, call="a payload with a free text", payload={**event["payload"], "reason": word}
    )
    story.expect(not taken["taken"], "Your model takes any text for a reason.",
                 expected="a ValidationError", observed="taken")  # fmt: skip
