"""Charging: the provider is asked with one key until it answers, and its answer is kept once."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import fault, trace_sql
from lab_support.database.faults import SimulatedDeath
from lab_support.services.payments.charge_settings import ChargeSettings
from lab_support.services.payments.entities import Payment
from lab_support.services.payments.events import PaymentSuccessful
from lab_support.services.payments.provider import ProviderTimeoutError
from lab_support.services.payments.simulated_provider import Outcome, SimulatedProvider
from tests.services.payments.paying import (
    AMOUNT,
    LIMIT_S,
    PLACES,
    RETRY,
    Till,
    Watched,
    event,
    on_sqlite,
)

NOTHING = Decimal("0.00")


@on_sqlite
@pytest.mark.parametrize(
    ("outcomes", "status", "told", "kept"),
    [
        ([Outcome.DO], "CHARGED", ["PaymentSuccessful"], AMOUNT),
        ([Outcome.REFUSE], "DECLINED", ["PaymentFailed"], NOTHING),
        ([Outcome.TIMEOUT_BEFORE], "CHARGED", ["PaymentSuccessful"], AMOUNT),
        ([Outcome.TIMEOUT_AFTER], "CHARGED", ["PaymentSuccessful"], AMOUNT),
        ([Outcome.DOWN, Outcome.TIMEOUT_AFTER], "CHARGED", ["PaymentSuccessful"], AMOUNT),
        ([Outcome.TIMEOUT_BEFORE, Outcome.REFUSE], "DECLINED", ["PaymentFailed"], NOTHING),
        ([Outcome.DOWN] * 3, "DECLINED", ["PaymentFailed", "NothingToCompensate"], NOTHING),
        ([Outcome.TIMEOUT_BEFORE] * 3, "DECLINED", ["PaymentFailed", "NothingToCompensate"], NOTHING),
        ([Outcome.TIMEOUT_AFTER] * 3, "REFUNDED", ["PaymentFailed", "PaymentRefunded"], NOTHING),
    ],
    ids=["ok", "declined", "before", "after", "down-after", "before-declined", "down", "befores", "afters"],
)
async def test_payment_ends_as_the_provider_decides(
    till: Till,
    provider: SimulatedProvider,
    outcomes: list[Outcome],
    status: str,
    told: list[str],
    kept: Decimal,
) -> None:
    """Whatever the provider does, the customer has paid exactly when the others are told so."""
    order_id = uuid4()
    await provider.script(str(order_id), *outcomes)
    await till.hears(event("CustomerVerified", order_id))
    assert await till.status(order_id) == "REQUESTED"

    await till.works_until_idle()

    assert (await till.status(order_id), await till.told()) == (status, told)
    assert await provider.balance() == kept


async def test_success_carries_what_the_next_service_needs(till: Till) -> None:
    """Inventory need not ask back; saga and cause are those of the request."""
    order_id = uuid4()
    request = event("CustomerVerified", order_id)
    await till.hears(request)
    await till.works()

    [row] = await till.outbox()
    payload = PaymentSuccessful.model_validate(row.payload)
    assert (payload.order_id, payload.customer_id, payload.amount) == (order_id, "ada", AMOUNT)
    assert [(line.sku, line.quantity) for line in payload.items] == [("LAMP-7", 2)]
    assert row.headers == {"saga_id": str(order_id), "causation_id": str(request.event_id), "version": 1}
    assert (row.topic, row.aggregateid) == ("payment", str(order_id))


@on_sqlite
async def test_amount_told_is_what_the_provider_charged(till: Till, provider: SimulatedProvider) -> None:
    """Its receipt counts, and not what was asked for: a key that charged before gives its first receipt."""
    order_id = uuid4()
    await provider.charge(str(order_id), Decimal("10.30"), card="ada")
    await till.hears(event("CustomerVerified", order_id))
    await till.works()

    [row] = await till.outbox()
    payment = await till.payment(order_id)
    assert payment is not None
    assert (row.payload["amount"], payment.amount) == ("10.30", Decimal("10.30"))


@on_sqlite
@pytest.mark.parametrize("outcome", [Outcome.REFUSE, Outcome.DOWN], ids=["declined", "unavailable"])
async def test_failure_names_a_code(till: Till, provider: SimulatedProvider, outcome: Outcome) -> None:
    """The reason is a word that programs read, and not the text of an exception."""
    order_id = uuid4()
    await provider.script(str(order_id), *[outcome] * 3)
    await till.hears(event("CustomerVerified", order_id))
    await till.works_until_idle()

    reason = "CARD_DECLINED" if outcome is Outcome.REFUSE else "PROVIDER_UNAVAILABLE"
    [failed] = [row for row in await till.outbox() if row.type == "PaymentFailed"]
    payment = await till.payment(order_id)
    assert failed.payload["reason"] == reason
    assert payment is not None
    assert payment.reason == reason


@on_sqlite
async def test_attempts_use_one_key_and_wait_longer_each_time(
    engine: AsyncEngine, provider: SimulatedProvider
) -> None:
    """The wait is a random part of a doubling bound: half of it here."""
    watched = Watched(provider)
    till, order_id = Till(engine, watched), uuid4()
    await provider.script("ada", *[Outcome.TIMEOUT_AFTER] * 2)
    await till.hears(event("CustomerVerified", order_id))

    waits = []
    for _ in range(2):
        await till.works()
        payment = await till.payment(order_id)
        assert payment is not None
        assert payment.next_try_at is not None
        waits.append(payment.next_try_at - till.clock.now)
        assert await till.works() == 0
        till.clock.now = payment.next_try_at
    await till.works()

    assert waits == [timedelta(seconds=0.5), timedelta(seconds=1.0)]
    assert watched.charges == [str(order_id)] * 3
    assert await till.status(order_id) == "CHARGED"


@on_sqlite
async def test_provider_that_never_answers_is_left(engine: AsyncEngine, provider: SimulatedProvider) -> None:
    """A call that hangs ends after `call_s`; the attempt counts, and the next one finds the charge."""
    watched = Watched(provider)
    watched.answered = asyncio.Event().wait
    till = Till(engine, watched, charging=ChargeSettings(retry=RETRY, call_s=0.05))
    order_id = uuid4()
    await till.hears(event("CustomerVerified", order_id))
    async with asyncio.timeout(LIMIT_S):
        await till.works()
    assert await till.status(order_id) == "REQUESTED"

    watched.answered = None
    await till.works_until_idle()
    assert (await till.status(order_id), await provider.balance()) == ("CHARGED", AMOUNT)


async def test_two_workers_at_once_charge_once(till: Till, provider: SimulatedProvider) -> None:
    """Whatever they share, each order is charged once and announced once."""
    orders = [uuid4() for _ in range(6)]
    for order_id in orders:
        await till.hears(event("CustomerVerified", order_id))
    workers = [till.participant().workers[0] for _ in range(2)]

    async with asyncio.timeout(LIMIT_S):
        done = await asyncio.gather(*[worker.turn() for worker in workers])

    assert sum(int(str(one)) for one in done) == 6
    assert await till.told() == ["PaymentSuccessful"] * 6
    assert await provider.balance() == 6 * AMOUNT


@on_sqlite
async def test_payment_that_cannot_be_kept_stops_no_other(till: Till, provider: SimulatedProvider) -> None:
    """Its request was damaged, so nobody can be told; those of the same turn are charged and told, and it waits."""
    damaged, sound = uuid4(), uuid4()
    for order_id in (damaged, sound):
        await till.hears(event("CustomerVerified", order_id))
    async with till.engine.begin() as connection:
        await connection.execute(
            update(Payment).where(Payment.order_id == damaged).values(request={"half": "an event"})
        )
    await till.works()

    assert [await till.status(one) for one in (damaged, sound)] == ["REQUESTED", "CHARGED"]
    assert await till.told() == ["PaymentSuccessful"]

    await till.hears(event("OrderFailed", damaged))  # the order's deadline
    await till.works_until_idle()
    assert (await till.status(damaged), await provider.balance()) == ("REFUNDED", AMOUNT)


async def test_slow_worker_changes_nothing_after_its_lease(
    engine: AsyncEngine, provider: SimulatedProvider
) -> None:
    """Another worker takes the payment over; both get the provider's one answer, and one of them tells it."""
    watched, order_id = Watched(provider), uuid4()
    till = Till(engine, watched)

    async def overtaken() -> None:
        watched.answered = None
        till.clock.advance(20)
        await till.works()

    watched.answered = overtaken
    await till.hears(event("CustomerVerified", order_id))
    await till.works()

    assert watched.charges == [str(order_id)] * 2
    assert (await till.told(), await provider.balance()) == (["PaymentSuccessful"], AMOUNT)


@on_sqlite
async def test_late_silence_is_no_matter_of_a_worker_that_was_replaced(
    engine: AsyncEngine, provider: SimulatedProvider
) -> None:
    """Its call ends without an answer while another worker is at it: that one's lease stays as it is."""
    watched, order_id = Watched(provider), uuid4()
    till = Till(engine, watched)
    lease = till.clock.now + timedelta(seconds=35)

    async def replaced() -> None:
        async with engine.begin() as connection:
            await connection.execute(update(Payment).values(attempts=2, next_try_at=lease))
        raise ProviderTimeoutError(str(order_id))

    watched.answered = replaced
    await till.hears(event("CustomerVerified", order_id))
    await till.works()

    payment = await till.payment(order_id)
    assert payment is not None
    assert (payment.status, payment.attempts, payment.next_try_at) == ("REQUESTED", 2, lease)


@pytest.mark.parametrize("copies", [2, 5])
async def test_repeated_request_is_charged_once(till: Till, provider: SimulatedProvider, copies: int) -> None:
    """Copies of one event, at once, and a further event about the same order."""
    order_id = uuid4()
    request = event("CustomerVerified", order_id)
    await asyncio.gather(*[till.hears(request) for _ in range(copies)])
    await till.works_until_idle()
    await till.hears(event("CustomerVerified", order_id, amount="99.00"))
    await till.works_until_idle()

    assert (await till.told(), await provider.balance()) == (["PaymentSuccessful"], AMOUNT)


@on_sqlite
async def test_command_is_answered_to_the_orchestrator_alone(till: Till, provider: SimulatedProvider) -> None:
    """The answer has the orchestrator's topic, and comes again when the command does."""
    order_id, declined = uuid4(), uuid4()
    await provider.script(str(declined), Outcome.REFUSE)
    for _ in range(2):
        await till.hears(event("ChargePayment", order_id))
        await till.hears(event("ChargePayment", declined))
        await till.works_until_idle()

    assert await till.told(order_id) == ["PaymentSuccessful"] * 2
    assert await till.told(declined) == ["PaymentFailed"] * 2
    assert {row.topic for row in await till.outbox()} == {"order.replies"}
    assert await provider.balance() == AMOUNT


@pytest.mark.parametrize("outcome", [Outcome.DO, Outcome.REFUSE, Outcome.TIMEOUT_AFTER])
async def test_worker_that_dies_anywhere_charges_once(
    engine: AsyncEngine, till: Till, provider: SimulatedProvider, outcome: Outcome
) -> None:
    """After each statement, and around the commit before the call: the next worker ends it, told and charged once."""
    reached = 0
    for place in PLACES:
        order_id, before = uuid4(), await provider.balance()
        await provider.script(str(order_id), outcome)
        await till.hears(event("CustomerVerified", order_id))
        with suppress(SimulatedDeath), fault(engine, how="die", **place) as injected:
            await till.works()
        await till.works_until_idle()

        refused = outcome is Outcome.REFUSE
        assert await till.told(order_id) == ["PaymentFailed" if refused else "PaymentSuccessful"], place
        assert await provider.balance() - before == (NOTHING if refused else AMOUNT), place
        if not injected.reached:
            break
        reached += 1
    assert reached >= 2 + 4  # two commits; with the look at refunds, five statements when there is an answer


async def test_handler_that_dies_anywhere_is_repeated(
    engine: AsyncEngine, till: Till, provider: SimulatedProvider
) -> None:
    """The request is kept with its inbox row or not at all; the next delivery leaves one request."""
    reached = 0
    for place in PLACES:
        order_id, before = uuid4(), await provider.balance()
        request = event("CustomerVerified", order_id)
        with suppress(SimulatedDeath), fault(engine, how="die", **place) as injected:
            await till.hears(request)
        await till.hears(request)
        await till.works_until_idle()

        assert await till.told(order_id) == ["PaymentSuccessful"], place
        assert await provider.balance() - before == AMOUNT, place
        if not injected.reached:
            break
        reached += 1
    assert reached == 2 + 2


@on_sqlite
async def test_crash_after_the_answer_asks_again_with_the_same_key(
    engine: AsyncEngine, provider: SimulatedProvider
) -> None:
    """The card was charged, and nobody here knew: after the lease the same key brings the receipt."""
    watched, order_id = Watched(provider), uuid4()
    till = Till(engine, watched)

    async def die() -> None:
        watched.answered = None
        raise SimulatedDeath

    watched.answered = die
    await till.hears(event("CustomerVerified", order_id))
    with suppress(BaseExceptionGroup):
        await till.works()
    assert (await till.status(order_id), await provider.balance()) == ("REQUESTED", AMOUNT)

    assert await till.works() == 0  # the dead one's lease
    await till.works_until_idle()
    assert (await till.told(), await provider.balance()) == (["PaymentSuccessful"], AMOUNT)
    assert watched.charges == [str(order_id)] * 2


@pytest.mark.parametrize("size", [1, 5])
async def test_charge_costs_three_statements_and_two_for_a_turn(
    engine: AsyncEngine, till: Till, size: int
) -> None:
    """Per payment: keep the attempt, keep the answer, tell it. Per turn: look what is due, read what was begun."""
    orders = [uuid4() for _ in range(size)]
    with trace_sql(engine) as hearing:
        for order_id in orders:
            await till.hears(event("CustomerVerified", order_id))
    charges, _ = till.participant().workers
    with trace_sql(engine) as charging:
        await charges.turn()
    with trace_sql(engine) as idle:
        await charges.turn()

    assert len(hearing.statements) == 2 * size
    assert len(charging.statements) == 3 * size + 2
    assert len(idle.statements) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"call_s": 0}, {"call_s": 20.0}, {"lease_s": 5.0}, {"batch": 0}, {"call_s": float("nan")}],
    ids=["no-time", "call-outlives-lease", "lease-too-short", "empty-batch", "nan"],
)
def test_settings_that_would_ask_twice_or_never_are_refused(wrong: dict[str, Any]) -> None:
    """The error names the numbers and what they have to be."""
    with pytest.raises(ValueError, match="give a call_s above 0"):
        ChargeSettings(**wrong)
