"""Any story of one order: whatever comes in whatever order, and whatever the provider does, the money is right."""

from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine, create_tables, scratch_database
from lab_support.services.payments.entities import PaymentsBase
from lab_support.services.payments.simulated_provider import Outcome, SimulatedProvider
from tests.services.payments.paying import AMOUNT, Till, event, open_provider

NOTHING = Decimal("0.00")
ENDS = {"CHARGED", "DECLINED", "REFUNDED", "CANCELLED"}
REQUESTS = ("CustomerVerified", "ChargePayment")
REFUNDS = ("InventoryReservationFailed", "OrderFailed", "RefundPayment")

heard = st.sampled_from([*REQUESTS, *REFUNDS, "OrderFailed without refund"])
worked = st.sampled_from(["charges", "refunds", "time passes"])
steps = st.lists(heard | worked | st.integers(min_value=0, max_value=20), min_size=1, max_size=14)
fates = st.lists(st.sampled_from(list(Outcome)), max_size=4)
many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AsyncEngine]:
    async with scratch_database("sqlite", tmp_path_factory.mktemp("payments")) as url:
        built = build_engine(url)
        await create_tables(built, PaymentsBase.metadata)
        yield built
        await built.dispose()


@pytest.fixture(scope="module")
async def ledger(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatedProvider]:
    folder: Path = tmp_path_factory.mktemp("provider")
    async with open_provider(folder) as provider:
        yield provider


@many
@given(steps=steps, charges=fates, refunds=fates)
async def test_money_is_right_whatever_comes_in_whatever_order(
    database: AsyncEngine, ledger: SimulatedProvider, steps: list[Any], charges: list[Any], refunds: list[Any]
) -> None:
    """A number repeats an earlier event. Each story has its own order, so examples may share the tables."""
    till, order_id, sent = Till(database, ledger), uuid4(), []
    await ledger.script(str(order_id), *charges, call="charge") if charges else None
    await ledger.script(str(order_id), *refunds, call="refund") if refunds else None
    for step in steps:
        if step == "time passes":
            till.clock.advance(20)
        elif step in ("charges", "refunds"):
            await till.participant().workers[step == "refunds"].turn()
        elif isinstance(step, int):
            if sent:
                await till.hears(sent[step % len(sent)])
        else:
            type_, _, without = step.partition(" without ")
            sent.append(event(type_, order_id, **({"compensate": []} if without else {})))
            await till.hears(sent[-1])
    await till.works_until_idle()

    asked = any(
        one.type in REFUNDS and "refund-payment" in one.payload.get("compensate", ["refund-payment"])
        for one in sent
    )
    await assert_money_is_right(till, order_id, refund_asked=asked)


async def assert_money_is_right(till: Till, order_id: Any, *, refund_asked: bool) -> None:
    payment, task = await till.payment(order_id), await till.task(order_id)
    told, kept = await till.told(order_id), await till.kept(order_id)
    counted = Counter(f"{row.type} {row.headers['causation_id']}" for row in await till.outbox(order_id))
    assert max(counted.values(), default=0) <= 1, "an event was told twice for one cause"
    if task is not None and task.status == "REQUIRES_REVIEW":
        assert "CompensationFailed" in told
        return
    assert (task is None) or task.status == "DONE"
    assert payment is None or payment.status in ENDS
    charged = payment is not None and payment.status == "CHARGED"
    assert kept == (AMOUNT if charged else NOTHING)
    if refund_asked:
        assert not charged
        assert {"PaymentRefunded", "NothingToCompensate"} & set(told)
    if "PaymentRefunded" in told:
        assert payment is not None
        assert payment.status == "REFUNDED"


@given(copies=st.integers(min_value=1, max_value=3), late=st.booleans())
@settings(many, max_examples=6)
async def test_refund_is_the_same_however_often_it_is_asked_for(
    database: AsyncEngine, ledger: SimulatedProvider, copies: int, late: bool
) -> None:
    """Each distinct command is answered; the provider gives back once."""
    till, order_id = Till(database, ledger), uuid4()
    before = await ledger.balance()
    await till.hears(event("ChargePayment", order_id))
    await till.works_until_idle()
    for _ in range(copies):
        await till.hears(event("RefundPayment", order_id))
        if late:
            await till.works_until_idle()
    await till.works_until_idle()

    assert await ledger.balance() == before
    answers = (await till.told(order_id)).count("PaymentRefunded")
    assert answers == (copies if late else 1)
