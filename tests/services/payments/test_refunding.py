"""Refunds: once, in full, of what was charged; before, during and after the charge; or a person has to look."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import fault, trace_sql
from lab_support.database.faults import SimulatedDeath
from lab_support.services.payments.provider import PaymentProvider, Receipt
from lab_support.services.payments.refunds import Refunds
from lab_support.services.payments.simulated_provider import EVERYBODY, Outcome, SimulatedProvider
from tests.services.payments.paying import AMOUNT, LIMIT_S, PLACES, Till, Watched, event, on_sqlite

NOTHING = Decimal("0.00")
REFUND = ("InventoryReservationFailed", "OrderFailed")


async def charged(till: Till, **payload: Any) -> UUID:
    order_id = uuid4()
    await till.hears(event("CustomerVerified", order_id, **payload))
    await till.works_until_idle()
    assert await till.status(order_id) == "CHARGED"
    return order_id


class Paused:
    """A provider whose charges are under way until they are let go: the request arrives late, or the answer does."""

    def __init__(self, provider: PaymentProvider, *, late: str) -> None:
        self.provider, self.late = provider, late
        self.under_way, self.go_on = asyncio.Event(), asyncio.Event()

    async def charge(self, key: str, amount: Decimal, *, card: str) -> Receipt:
        if self.late == "request":
            await self._pause()
        receipt = await self.provider.charge(key, amount, card=card)
        if self.late == "answer":
            await self._pause()
        return receipt

    async def refund(self, key: str) -> Receipt | None:
        return await self.provider.refund(key)

    async def find(self, key: str) -> Receipt | None:
        return await self.provider.find(key)

    async def _pause(self) -> None:
        self.under_way.set()
        await self.go_on.wait()


@pytest.mark.parametrize("reason", REFUND)
async def test_charged_money_is_given_back_in_full(
    till: Till, provider: SimulatedProvider, reason: str
) -> None:
    """The amount is what was charged, whatever the event says that asks for the refund."""
    order_id = await charged(till, amount="10.30")
    await till.hears(event(reason, order_id, amount="99.99"))
    await till.works_until_idle()

    [_, row] = await till.outbox()
    assert (row.type, row.payload["amount"], row.topic) == ("PaymentRefunded", "10.30", "payment")
    assert (await till.status(order_id), await provider.balance()) == ("REFUNDED", NOTHING)


async def test_three_deliveries_and_two_reasons_refund_once(till: Till, provider: SimulatedProvider) -> None:
    """Inventory fails and Orders fails the order: each of them three times, all at once."""
    order_id = await charged(till)
    reasons = [event(reason, order_id) for reason in REFUND]
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*[till.hears(one) for one in reasons * 3])
    await till.works_until_idle()

    assert await till.told() == ["PaymentSuccessful", "PaymentRefunded"]
    assert await provider.balance() == NOTHING


@on_sqlite
async def test_amount_told_is_what_the_provider_gave_back(till: Till, provider: SimulatedProvider) -> None:
    """Nobody here knew what was charged: only the provider's receipt tells."""
    order_id = uuid4()
    await provider.charge(str(order_id), Decimal("10.30"), card="ada")
    await provider.script(str(order_id), *[Outcome.TIMEOUT_AFTER] * 3)
    await till.hears(event("CustomerVerified", order_id))
    await till.works_until_idle()

    [_, row] = await till.outbox()
    assert (row.type, row.payload["amount"]) == ("PaymentRefunded", "10.30")


@on_sqlite
async def test_refund_names_its_cause_and_saga(till: Till) -> None:
    """The timeline of a saga is built of these."""
    order_id = await charged(till)
    reason = event("OrderFailed", order_id)
    await till.hears(reason)
    await till.works_until_idle()

    [_, row] = await till.outbox()
    assert row.headers == {"saga_id": str(order_id), "causation_id": str(reason.event_id), "version": 1}


@on_sqlite
async def test_failed_order_that_names_no_refund_changes_nothing(
    till: Till, provider: SimulatedProvider
) -> None:
    """Orders says what has to be made good; an order on credit is not Payments' affair."""
    order_id = await charged(till)
    await till.hears(event("OrderFailed", order_id, compensate=["release-stock", "release-credit"]))
    await till.works_until_idle()

    assert (await till.task(order_id), await provider.balance()) == (None, AMOUNT)


async def test_refund_before_the_charge_leaves_a_tombstone(till: Till, provider: SimulatedProvider) -> None:
    """The late request is not charged, after a restart neither; the refund says that there was nothing."""
    order_id = uuid4()
    await till.hears(event("OrderFailed", order_id))
    await till.works_until_idle()
    assert (await till.status(order_id), await till.told()) == ("CANCELLED", ["NothingToCompensate"])

    await till.hears(event("CustomerVerified", order_id))
    await till.works_until_idle()
    assert (await till.status(order_id), await till.told()) == ("CANCELLED", ["NothingToCompensate"])
    assert await provider.find(str(order_id)) is None


@on_sqlite
async def test_refund_before_the_first_attempt_cancels_the_charge(
    engine: AsyncEngine, provider: SimulatedProvider
) -> None:
    """Requested and not yet asked for: the provider never hears of it."""
    watched, order_id = Watched(provider), uuid4()
    till = Till(engine, watched)
    await till.hears(event("CustomerVerified", order_id))
    await till.hears(event("OrderFailed", order_id))
    charges, refunds = till.participant().workers
    await refunds.turn()
    await charges.turn()

    assert (await till.status(order_id), await till.told()) == ("CANCELLED", ["NothingToCompensate"])
    assert (watched.charges, watched.refunds) == ([], [])


@pytest.mark.parametrize(
    ("late", "told"), [("request", "NothingToCompensate"), ("answer", "PaymentRefunded")]
)
async def test_refund_during_the_charge_leaves_nothing_charged(
    engine: AsyncEngine, provider: SimulatedProvider, late: str, told: str
) -> None:
    """The charge under way has reached the provider, or will: it is given back, or refused."""
    paused, order_id = Paused(provider, late=late), uuid4()
    till = Till(engine, paused)
    await till.hears(event("CustomerVerified", order_id))
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(till.participant().workers[0].turn())  # type: ignore[arg-type]
        await paused.under_way.wait()
        await till.hears(event("OrderFailed", order_id))
        await till.participant().workers[1].turn()
        paused.go_on.set()
    await till.works_until_idle()

    assert (await till.told(), await provider.balance()) == ([told], NOTHING)
    assert await till.status(order_id) == ("CANCELLED" if late == "request" else "REFUNDED")


@on_sqlite
async def test_charge_that_begins_behind_the_refund_is_given_back(
    till: Till, provider: SimulatedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refund found nothing that was asked for; before it could say so the card was charged: it looks again."""
    order_id = uuid4()
    await till.hears(event("CustomerVerified", order_id))
    await till.hears(event("OrderFailed", order_id))
    charges, refunds = till.participant().workers
    looked = refunds._ask  # type: ignore[attr-defined]

    async def overtaken(*arguments: Any) -> None:
        await looked(*arguments)
        await charges.turn()

    monkeypatch.setattr(refunds, "_ask", overtaken)
    await refunds.turn()
    task = await till.task(order_id)
    assert task is not None
    assert (task.status, task.last_reason) == ("OPEN", "PaymentMovedError")

    await till.works_until_idle()
    assert await till.told() == ["PaymentSuccessful", "PaymentRefunded"]
    assert await provider.balance() == NOTHING


@on_sqlite
async def test_declined_payment_has_nothing_to_refund(till: Till, provider: SimulatedProvider) -> None:
    """It stays declined, and its promise is kept."""
    order_id = uuid4()
    await provider.script(str(order_id), Outcome.REFUSE)
    await till.hears(event("CustomerVerified", order_id))
    await till.works_until_idle()
    await till.hears(event("OrderFailed", order_id))
    await till.works_until_idle()

    assert await till.told() == ["PaymentFailed", "NothingToCompensate"]
    assert await till.status(order_id) == "DECLINED"


@on_sqlite
@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT_BEFORE, Outcome.TIMEOUT_AFTER, Outcome.DOWN])
async def test_unanswered_refund_is_tried_again(
    till: Till, provider: SimulatedProvider, outcome: Outcome
) -> None:
    """Two calls without an answer, and then the money went back once."""
    order_id = await charged(till)
    await provider.script("ada", outcome, outcome, call="refund")
    await till.hears(event("OrderFailed", order_id))
    await till.works_until_idle()

    assert await till.told() == ["PaymentSuccessful", "PaymentRefunded"]
    assert await provider.balance() == NOTHING
    task = await till.task(order_id)
    assert task is not None
    assert (task.status, task.attempts) == ("DONE", 3)


@on_sqlite
async def test_refund_that_never_answers_is_left(till: Till, provider: SimulatedProvider) -> None:
    """A call that hangs ends after `call_s` and is a failed attempt; nothing in the database waits for it."""
    order_id = await charged(till)
    await till.hears(event("OrderFailed", order_id))

    class Hanging(Watched):
        async def refund(self, key: str) -> Receipt | None:
            receipt = await super().refund(key)
            await till.hears(event("CustomerVerified", uuid4()))  # a writer is not kept out meanwhile
            await asyncio.Event().wait()
            return receipt

    async with asyncio.timeout(LIMIT_S):
        await Refunds(till.sessions, Hanging(provider), call_s=0.5, clock=till.clock).turn()
    task = await till.task(order_id)
    assert task is not None
    assert (task.status, task.last_reason) == ("OPEN", "TimeoutError")

    await till.works_until_idle()
    assert await till.told(order_id) == ["PaymentSuccessful", "PaymentRefunded"]


async def in_review(till: Till, provider: SimulatedProvider, outcome: Outcome) -> UUID:
    order_id = await charged(till)
    await provider.script(EVERYBODY, outcome, call="refund", lasting=True)
    await till.hears(event("OrderFailed", order_id))
    await till.works_until_idle()
    return order_id


@on_sqlite
@pytest.mark.parametrize(
    ("outcome", "reason", "attempts"),
    [(Outcome.REFUSE, "REFUND_REFUSED", 1), (Outcome.DOWN, "ATTEMPTS_EXHAUSTED", 3)],
    ids=["refused", "away"],
)
async def test_refund_that_fails_for_good_waits_for_a_person(
    till: Till, provider: SimulatedProvider, outcome: Outcome, reason: str, attempts: int
) -> None:
    """A refusal is not repeated, an absence is, for a while; then it is announced, once."""
    order_id = await in_review(till, provider, outcome)

    task = await till.task(order_id)
    assert task is not None
    assert (task.status, task.attempts) == ("REQUIRES_REVIEW", attempts)
    [_, row] = await till.outbox()
    assert row.type == "CompensationFailed"
    assert row.payload == {
        "order_id": str(order_id),
        "service": "payments",
        "action": "refund-payment",
        "reason": reason,
        "attempts": attempts,
    }
    assert (await till.status(order_id), await provider.balance()) == ("CHARGED", AMOUNT)


async def resolved(till: Till, order_id: UUID, resolution: str, service: str = "payments") -> str:
    await till.hears(
        event(
            "ReviewResolved",
            order_id,
            service=service,
            action="refund-payment",
            resolution=resolution,
            note="",
        )
    )
    await till.works_until_idle()
    task = await till.task(order_id)
    assert task is not None
    return task.status


@on_sqlite
async def test_person_has_a_refund_tried_again(till: Till, provider: SimulatedProvider) -> None:
    """With all its attempts: the provider is back by then."""
    order_id = await in_review(till, provider, Outcome.DOWN)
    await provider.forget_scripts()

    assert await resolved(till, order_id, "retry") == "DONE"
    assert await till.told() == ["PaymentSuccessful", "CompensationFailed", "PaymentRefunded"]
    assert await provider.balance() == NOTHING


@on_sqlite
async def test_person_settles_a_refund_otherwise(till: Till, provider: SimulatedProvider) -> None:
    """Nothing is tried any more; another service's review is none of ours."""
    order_id = await in_review(till, provider, Outcome.REFUSE)

    assert await resolved(till, order_id, "settled", service="customers") == "REQUIRES_REVIEW"
    assert await resolved(till, order_id, "settled") == "SETTLED"
    assert await till.told() == ["PaymentSuccessful", "CompensationFailed"]


@on_sqlite
async def test_provider_away_for_long_is_a_matter_for_a_person(
    till: Till, provider: SimulatedProvider
) -> None:
    """It charged without an answer and then went away: no failure is told before the money's fate is known."""
    order_id = uuid4()
    await provider.script(str(order_id), Outcome.TIMEOUT_AFTER, Outcome.DOWN, Outcome.DOWN)
    await provider.script(EVERYBODY, Outcome.DOWN, call="refund", lasting=True)
    await till.hears(event("CustomerVerified", order_id))
    await till.works_until_idle()
    assert (await till.status(order_id), await till.told()) == ("UNCERTAIN", ["CompensationFailed"])

    await provider.forget_scripts()
    assert await resolved(till, order_id, "retry") == "DONE"
    assert await till.told() == ["CompensationFailed", "PaymentFailed", "PaymentRefunded"]
    assert (await till.status(order_id), await provider.balance()) == ("REFUNDED", NOTHING)


@on_sqlite
async def test_command_to_refund_is_always_answered(till: Till) -> None:
    """Charged, never charged, asked for again: the orchestrator gets its answer under its own topic."""
    paid, unpaid = uuid4(), uuid4()
    await till.hears(event("ChargePayment", paid))
    await till.works_until_idle()
    for _ in range(2):
        await till.hears(event("RefundPayment", paid))
        await till.hears(event("RefundPayment", unpaid))
        await till.works_until_idle()

    assert await till.told(paid) == ["PaymentSuccessful", "PaymentRefunded", "PaymentRefunded"]
    assert await till.told(unpaid) == ["NothingToCompensate"] * 2
    assert {row.topic for row in await till.outbox()} == {"order.replies"}


async def test_two_compensators_at_once_refund_once(till: Till, provider: SimulatedProvider) -> None:
    """Each order is given back once and announced once."""
    orders = [await charged(till) for _ in range(4)]
    for order_id in orders:
        await till.hears(event("OrderFailed", order_id))
    workers = [till.participant().workers[1] for _ in range(2)]
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*[worker.turn() for worker in workers])
    await till.works_until_idle()

    assert sorted(await till.told()) == ["PaymentRefunded"] * 4 + ["PaymentSuccessful"] * 4
    assert await provider.balance() == NOTHING


@pytest.mark.parametrize("before", ["nothing", "requested", "in doubt", "charged"])
async def test_refund_that_dies_anywhere_is_kept_once(
    engine: AsyncEngine, till: Till, provider: SimulatedProvider, before: str
) -> None:
    """Handler or worker die after each statement and around a commit; the end is the same, told once."""
    reached = 0
    for place in PLACES:
        order_id = uuid4()
        if before != "nothing":
            await till.hears(event("CustomerVerified", order_id))
        if before in ("in doubt", "charged"):
            await provider.script(
                str(order_id), Outcome.TIMEOUT_AFTER if before == "in doubt" else Outcome.DO
            )
            await till.works()
        reason = event("OrderFailed", order_id)
        refunds = till.participant().workers[1]
        with suppress(SimulatedDeath), fault(engine, how="die", **place) as injected:
            await till.hears(reason)
            await refunds.turn()
        await till.hears(reason)
        await refunds.turn()
        await till.works_until_idle()

        given_back = before in ("in doubt", "charged")
        ends = [type_ for type_ in await till.told(order_id) if type_ != "PaymentSuccessful"]
        assert ends == ["PaymentRefunded" if given_back else "NothingToCompensate"], place
        assert await provider.balance() == NOTHING, place
        if not injected.reached:
            break
        reached += 1
    assert reached >= 2 + 6


async def test_refund_costs_six_statements_and_two_to_promise(engine: AsyncEngine, till: Till) -> None:
    """Inbox and promise; then what is due, the payment, the claim, the payment locked, its end, the event."""
    order_id = await charged(till)
    with trace_sql(engine) as hearing:
        await till.hears(event("OrderFailed", order_id))
    refunds = till.participant().workers[1]
    with trace_sql(engine) as refunding:
        await refunds.turn()
    with trace_sql(engine) as idle:
        await refunds.turn()

    assert len(hearing.statements) == 2
    assert len(refunding.statements) == 6
    assert len(idle.statements) == 1


@on_sqlite
@pytest.mark.parametrize("order", list(permutations(["CustomerVerified", *REFUND])), ids="-".join)
async def test_events_in_any_order_leave_nothing_charged(
    till: Till, provider: SimulatedProvider, order: tuple[str, ...]
) -> None:
    """However they overtake each other, with the workers in between: nothing is kept, and one end is told."""
    order_id = uuid4()
    for type_ in order:
        await till.hears(event(type_, order_id))
        await till.works()
    await till.works_until_idle()

    assert await provider.balance() == NOTHING
    ends = [type_ for type_ in await till.told() if type_ != "PaymentSuccessful"]
    assert ends == ["PaymentRefunded" if order[0] == "CustomerVerified" else "NothingToCompensate"]
