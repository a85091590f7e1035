"""Answers to 13.6 that nobody stored: wrong ones get no false cause, right ones pass, none breaks the judge."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from failure_rows import ROWS, all_is_well, stock_is_short
from pydantic import BaseModel
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from lab_support.exercises import State, Verdict, find, judge, judging
from lab_support.exercises.s13_06.errors import OutOfStock, ProviderUnavailable, ReviewReason, UnknownSku
from lab_support.exercises.s13_06.events import (
    EVENTS,
    Line,
    PaymentRefunded,
    PaymentSuccessful,
    ReceiptRequested,
    StockReleased,
)
from lab_support.exercises.s13_06.shop import (
    Inbox,
    OutboxMessage,
    Payment,
    PaymentState,
    Refund,
    Reservation,
    Review,
    Stock,
)
from lab_support.messaging import Consumer, Event, EventTypes, unit_of_work

NUMBERS = range(1, 7)


def judged(exercise_id: str, *objects: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)))


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("nonsense", [None, 7, object, print])
@pytest.mark.parametrize("exercise_id", [f"13.6.{number}" for number in NUMBERS])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    if (exercise_id, nonsense) == ("13.6.6", print):
        assert causes(verdict) == ["asserts-nothing"]  # and that is what it does
        return
    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


@pytest.mark.parametrize("seed", [7, 2026])
def test_other_ids_and_amounts_change_no_verdict(seed):
    """A right refund passes under any seed."""

    async def refund_payment(sessions, event):
        await refunded_by_state(sessions, event)

    assert judge(find("13.6.2"), {"refund_payment": refund_payment}, seed=seed).passed


def about(event: Event, payload: BaseModel) -> Event:
    return EVENTS.event(payload, aggregate_type="order", aggregate_id=event.aggregate_id, cause=event)


# 13.6.1


class Failed(BaseModel):
    failed_step: str = "reserve_stock"
    sku: str
    reason: str
    payment_id: int
    amount: Decimal
    reserved: list[Line]


def reason_of(error: Exception) -> str:
    codes = {OutOfStock: "OUT_OF_STOCK", UnknownSku: "UNKNOWN_SKU", TimeoutError: "TIMEOUT"}
    return codes.get(type(error), "INTERNAL_ERROR")


def payload_for(
    model: type[BaseModel], cause: Event, reserved: list[Line], sku: str, error: Exception
) -> BaseModel:
    paid = EVENTS.payload_of(cause)
    return model(
        sku=sku, reason=reason_of(error), payment_id=paid.payment_id, amount=paid.amount, reserved=reserved
    )


def failed_event(payload: BaseModel, cause: Event, **more: Any) -> Event:
    types = EventTypes()
    types.register(type(payload))
    return types.event(payload, aggregate_type="order", aggregate_id=cause.aggregate_id, cause=cause, **more)


def model_of(**fields: Any) -> type[BaseModel]:
    """Make the payload's class with some fields of another type."""
    annotations = {**Failed.__annotations__, **fields}
    body = {"__annotations__": annotations, "failed_step": "reserve_stock", "__module__": __name__}
    return type("InventoryReservationFailed", (BaseModel,), body)


def test_model_that_takes_any_reason_has_no_cause():
    """Codes from a model that would take a sentence: the contract is open, though nothing leaked."""
    model = model_of(reason=str)

    def failure_event(cause, reserved, sku, error):
        return failed_event(payload_for(model, cause, reserved, sku, error), cause)

    verdict = judged("13.6.1", model, failure_event)

    assert causes(verdict) == []
    assert "takes any text" in verdict.decisive.message


def test_float_for_money_has_no_cause():
    """A float in JSON is no amount, even if it looks right."""
    model = model_of(amount=float)

    def failure_event(cause, reserved, sku, error):
        return failed_event(payload_for(model, cause, reserved, sku, error), cause)

    verdict = judged("13.6.1", model, failure_event)

    assert causes(verdict) == []
    assert "amount" in verdict.decisive.message


def test_new_saga_is_no_saga():
    """A saga id made up on the spot is as lost as none."""
    model = model_of()

    def failure_event(cause, reserved, sku, error):
        return failed_event(payload_for(model, cause, reserved, sku, error), cause, saga_id=uuid4())

    assert causes(judged("13.6.1", model, failure_event)) == ["no-saga-id"]


def test_one_event_id_for_every_failure_is_found_out():
    """A constant event id makes an inbox drop the second failure."""
    model, constant = model_of(), uuid4()

    def failure_event(cause, reserved, sku, error):
        return failed_event(payload_for(model, cause, reserved, sku, error), cause, event_id=constant)

    verdict = judged("13.6.1", model, failure_event)

    assert causes(verdict) == []
    assert any("one event_id" in case.message for case in verdict.cases)


def test_releasing_what_was_never_reserved_is_found_out():
    """Naming all paid lines, not the reserved ones, frees pieces that were never taken."""
    model = model_of()

    def failure_event(cause, reserved, sku, error):
        lines = EVENTS.payload_of(cause).lines
        return failed_event(payload_for(model, cause, lines, sku, error), cause)

    verdict = judged("13.6.1", model, failure_event)

    assert causes(verdict) == []
    assert "other pieces" in verdict.decisive.message


# 13.6.2


async def refunded_by_state(sessions, event):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        mine = (Payment.order_id == event.aggregate_id, Payment.state == PaymentState.CHARGED)
        change = update(Payment).where(*mine).values(state=PaymentState.REFUNDED)
        row = (await uow.session.execute(change.returning(Payment.id, Payment.amount))).one_or_none()
        if row is not None:
            uow.session.add(Refund(payment_id=row.id, amount=row.amount))
            uow.announce(about(event, PaymentRefunded(payment_id=row.id, amount=row.amount)))
        await uow.commit()


def test_consumer_of_the_package_may_do_the_rest():
    """An effect within `Consumer`, as our services have it, is a right answer."""

    async def effect(uow, event, _payload):
        mine = select(Payment).where(Payment.order_id == event.aggregate_id)
        payment = await uow.session.scalar(mine.with_for_update())
        if payment is not None and payment.state == PaymentState.CHARGED:
            payment.state = PaymentState.REFUNDED
            uow.session.add(Refund(payment_id=payment.id, amount=payment.amount))
            uow.announce(about(event, PaymentRefunded(payment_id=payment.id, amount=payment.amount)))

    async def refund_payment(sessions, event):
        consumer = Consumer(
            name="payments", sessions=sessions, inbox=Inbox, outbox=OutboxMessage, types=EVENTS, effect=effect
        )
        await consumer(event)

    assert judged("13.6.2", refund_payment).passed


def test_plain_sql_is_a_right_answer():
    """Nobody has to use the ORM or our unit of work for the tables."""

    async def refund_payment(sessions, event):
        async with unit_of_work(sessions, OutboxMessage) as uow:
            change = "UPDATE payments SET state = 'REFUNDED' WHERE order_id = :one AND state = 'CHARGED'"
            changed = await uow.session.execute(text(change), {"one": event.aggregate_id})
            if changed.rowcount == 0:
                return
            mine = select(Payment.id, Payment.amount).where(Payment.order_id == event.aggregate_id)
            row = (await uow.session.execute(mine)).one()
            await uow.session.execute(insert(Refund).values(payment_id=row.id, amount=row.amount))
            uow.announce(about(event, PaymentRefunded(payment_id=row.id, amount=row.amount)))
            await uow.commit()

    assert judged("13.6.2", refund_payment).passed


def test_event_in_a_second_transaction_is_found_out():
    """A death between refund and event leaves an order that nobody learns of."""

    async def refund_payment(sessions, event):
        async with sessions.begin() as session:
            mine = (Payment.order_id == event.aggregate_id, Payment.state == PaymentState.CHARGED)
            change = update(Payment).where(*mine).values(state=PaymentState.REFUNDED)
            row = (await session.execute(change.returning(Payment.id, Payment.amount))).one_or_none()
            if row is None:
                return
            session.add(Refund(payment_id=row.id, amount=row.amount))
        async with unit_of_work(sessions, OutboxMessage) as uow:
            uow.announce(about(event, PaymentRefunded(payment_id=row.id, amount=row.amount)))
            await uow.commit()

    verdict = judged("13.6.2", refund_payment)

    assert causes(verdict) == []
    assert "died after statement" in verdict.decisive.message


def test_lock_of_this_process_does_not_help():
    """An asyncio.Lock keeps out nobody who is in another process."""
    lock = asyncio.Lock()

    async def refund_payment(sessions, event):
        async with lock, unit_of_work(sessions, OutboxMessage) as uow:
            payment = await uow.session.scalar(select(Payment).where(Payment.order_id == event.aggregate_id))
            if payment is None or payment.state != PaymentState.CHARGED:
                return
            payment.state = PaymentState.REFUNDED
            uow.session.add(Refund(payment_id=payment.id, amount=payment.amount))
            uow.announce(about(event, PaymentRefunded(payment_id=payment.id, amount=payment.amount)))
            await uow.commit()

    assert causes(judged("13.6.2", refund_payment)) == ["reads-then-refunds"]


def test_refund_without_a_saga_has_no_cause():
    """An event that was not made from its cause is told as such."""

    async def refund_payment(sessions, event):
        await refunded_by_state(sessions, event.model_copy(update={"saga_id": None}))

    verdict = judged("13.6.2", refund_payment)

    assert causes(verdict) == []
    assert "saga" in verdict.decisive.message


def test_event_that_tells_no_amount_has_no_cause():
    """An event of one's own making, without the amount, is no crash of the judge."""

    async def refund_payment(sessions, event):
        async with unit_of_work(sessions, OutboxMessage) as uow:
            mine = (Payment.order_id == event.aggregate_id, Payment.state == PaymentState.CHARGED)
            change = update(Payment).where(*mine).values(state=PaymentState.REFUNDED)
            row = (await uow.session.execute(change.returning(Payment.id, Payment.amount))).one_or_none()
            if row is not None:
                uow.session.add(Refund(payment_id=row.id, amount=row.amount))
                bare = {"type": "PaymentRefunded", "aggregate_type": "order", "payload": {"amount": "much"}}
                uow.announce(Event(**bare, aggregate_id=event.aggregate_id, saga_id=event.saga_id))
            await uow.commit()

    verdict = judged("13.6.2", refund_payment)

    assert causes(verdict) == []
    assert verdict.decisive.observed == "no amount"


def test_error_for_an_unpaid_order_is_no_answer():
    """Raising for what is no error stops the consumer."""

    async def refund_payment(sessions, event):
        async with sessions() as session:
            mine = (Payment.order_id == event.aggregate_id, Payment.state != PaymentState.DECLINED)
            if await session.scalar(select(Payment.id).where(*mine)) is None:
                raise LookupError("this order was not paid")
        await refunded_by_state(sessions, event)

    verdict = judged("13.6.2", refund_payment)

    assert verdict.state is State.ERROR
    assert causes(verdict) == []


# 13.6.3


def reviewed(event: Event, sku: str, kept: Any = None) -> Review:
    row = {"order_id": event.aggregate_id, "event_id": str(event.event_id), "about": sku, "reason": "MOVED"}
    return Review(**row, event=kept or event.model_dump(mode="json"))


async def released_under_locks(sessions, event, *, all_or_nothing=False, **of_review):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        mine = (Reservation.order_id == event.aggregate_id, Reservation.state == "HELD")
        rows = select(Reservation, Stock).outerjoin(Stock, Stock.sku == Reservation.sku).where(*mine)
        found = (await uow.session.execute(rows.with_for_update(of=Reservation))).all()
        for held, _ in found:
            shelf = await uow.session.get(Stock, held.sku, with_for_update=True, populate_existing=True)
            if shelf is None or shelf.stocktake != held.stocktake:
                if all_or_nothing:
                    lost = reviewed(event, held.sku)
                    await uow.rollback()
                    uow.session.add(lost)
                    break
                held.state = "REQUIRES_REVIEW"
                uow.session.add(reviewed(event, held.sku, **of_review))
                continue
            shelf.free, held.state = shelf.free + held.units, "RELEASED"
            uow.announce(about(event, StockReleased(lines=[Line(sku=held.sku, quantity=held.units)])))
        await uow.commit()


def test_joined_rows_under_locks_are_a_right_answer():
    """Reservation and shelf read together and locked, one event for each product."""

    async def release_stock(sessions, event):
        await released_under_locks(sessions, event)

    assert judged("13.6.3", release_stock).passed


def test_one_lost_product_must_not_keep_the_others():
    """All or nothing is wrong here: what can be released is released."""

    async def release_stock(sessions, event):
        await released_under_locks(sessions, event, all_or_nothing=True)

    assert causes(judged("13.6.3", release_stock)) == []


def test_review_without_the_event_has_no_cause():
    """A review that a person can do nothing with is told as such."""

    async def release_stock(sessions, event):
        await released_under_locks(sessions, event, kept={"note": "product gone"})

    verdict = judged("13.6.3", release_stock)

    assert causes(verdict) == []
    assert "does not hold the event" in verdict.decisive.message


def test_shelf_that_is_read_without_a_lock_is_found_out():
    """A count that comes between reading and writing must stand."""

    async def release_stock(sessions, event):
        async with unit_of_work(sessions, OutboxMessage) as uow:
            mine = (Reservation.order_id == event.aggregate_id, Reservation.state == "HELD")
            for held in (await uow.session.scalars(select(Reservation).where(*mine).with_for_update())).all():
                shelf = await uow.session.get(Stock, held.sku)
                if shelf is None or shelf.stocktake != held.stocktake:
                    held.state = "REQUIRES_REVIEW"
                    uow.session.add(reviewed(event, held.sku))
                    continue
                shelf.free, held.state = shelf.free + held.units, "RELEASED"
                uow.announce(about(event, StockReleased(lines=[Line(sku=held.sku, quantity=held.units)])))
            await uow.commit()

    verdict = judged("13.6.3", release_stock)

    assert causes(verdict) == []
    assert [case.title for case in verdict.cases if case.state is State.FAILED] == [
        "a count that comes between reading and writing stands"
    ]


def test_adding_the_row_again_is_found_out():
    """Whoever puts a discontinued product back on the shelf has not called a person."""

    async def release_stock(sessions, event):
        async with unit_of_work(sessions, OutboxMessage) as uow:
            mine = (Reservation.order_id == event.aggregate_id, Reservation.state == "HELD")
            for held in (await uow.session.scalars(select(Reservation).where(*mine).with_for_update())).all():
                shelf = await uow.session.get(Stock, held.sku, with_for_update=True)
                if shelf is None:
                    uow.session.add(Stock(sku=held.sku, free=held.units, stocktake=held.stocktake))
                elif shelf.stocktake == held.stocktake:
                    shelf.free += held.units
                else:
                    uow.session.add(reviewed(event, held.sku))
                    held.state = "REQUIRES_REVIEW"
                    continue
                held.state = "RELEASED"
                uow.announce(about(event, StockReleased(lines=[Line(sku=held.sku, quantity=held.units)])))
            await uow.commit()

    assert not judged("13.6.3", release_stock).passed


def test_event_as_text_is_the_event():
    """A review may hold the event as its JSON text."""

    async def release_stock(sessions, event):
        await released_under_locks(sessions, event, kept=event.model_dump_json())

    assert judged("13.6.3", release_stock).passed


# 13.6.4


async def charged(sessions, event, *, look=True):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        mine = select(Payment.id).where(Payment.order_id == event.aggregate_id)
        if look and await uow.session.scalar(mine) is not None:
            return
        amount = EVENTS.payload_of(event).amount
        payment = Payment(order_id=event.aggregate_id, amount=amount, state="CHARGED")
        uow.session.add(payment)
        await uow.flush()
        uow.announce(about(event, PaymentSuccessful(payment_id=payment.id, amount=amount)))
        await uow.commit()


async def cancelled(sessions, event, *, conflict_is_fine=False):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        mine = select(Payment).where(Payment.order_id == event.aggregate_id)
        payment = await uow.session.scalar(mine.with_for_update())
        if payment is None:
            try:
                await uow.session.execute(
                    insert(Payment).values(order_id=event.aggregate_id, amount=0, state="CANCELLED")
                )
            except IntegrityError:
                if not conflict_is_fine:
                    raise
                return
        elif payment.state == "CHARGED":
            payment.state = "REFUNDED"
            uow.session.add(Refund(payment_id=payment.id, amount=payment.amount))
            uow.announce(about(event, PaymentRefunded(payment_id=payment.id, amount=payment.amount)))
        await uow.commit()


async def confirmed(sessions, event, *, only_charged=True):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        mine = select(Payment).where(Payment.order_id == event.aggregate_id)
        payment = await uow.session.scalar(mine.with_for_update())
        if payment is None or (only_charged and payment.state != "CHARGED"):
            return
        payment.state = "CONFIRMED"
        uow.announce(about(event, ReceiptRequested(amount=payment.amount)))
        await uow.commit()


def test_unlocked_look_is_enough_where_the_index_decides():
    """The unique index arbitrates; the look only saves an error."""
    assert judged("13.6.4", charged, cancelled, confirmed).passed


def test_charge_in_a_transaction_before_its_event_is_found_out():
    """A death between the two leaves a charge that nobody learns of."""

    async def charge(sessions, event):
        amount = EVENTS.payload_of(event).amount
        async with sessions.begin() as session:
            mine = select(Payment.id).where(Payment.order_id == event.aggregate_id)
            if await session.scalar(mine) is not None:
                return
            payment = Payment(order_id=event.aggregate_id, amount=amount, state="CHARGED")
            session.add(payment)
        async with unit_of_work(sessions, OutboxMessage) as uow:
            uow.announce(about(event, PaymentSuccessful(payment_id=payment.id, amount=amount)))
            await uow.commit()

    verdict = judged("13.6.4", charge, cancelled, confirmed)

    assert causes(verdict) == []
    assert "PaymentSuccessful" in verdict.decisive.expected


def test_conflict_that_is_taken_for_a_copy_is_found_out():
    """The row that was in the way was a charge, and nobody refunds it."""

    async def cancel(sessions, event):
        await cancelled(sessions, event, conflict_is_fine=True)

    verdict = judged("13.6.4", charged, cancel, confirmed)

    assert causes(verdict) == []
    assert [case.title for case in verdict.cases if case.state is State.FAILED] == [
        "charge and cancellation that meet end in no charge"
    ]


def test_second_receipt_is_found_out():
    """A copy of OrderConfirmed must not send a second mail."""

    async def confirm(sessions, event):
        await confirmed(sessions, event, only_charged=False)

    verdict = judged("13.6.4", charged, cancelled, confirm)

    assert causes(verdict) == []
    assert "ReceiptRequested" in verdict.decisive.expected


def test_charge_that_never_happens_has_no_cause():
    """Who never charges never charges late, and fails the calm scenario."""

    async def charge(sessions, event):
        return None

    verdict = judged("13.6.4", charge, cancelled, confirmed)

    assert causes(verdict) == []
    assert verdict.cases[0].state is State.FAILED


# 13.6.5


async def stored(sessions, event, reason):
    async with sessions.begin() as session:
        mine = select(Review.id).where(Review.event_id == str(event.event_id))
        if await session.scalar(mine) is None:
            kept = event.model_dump(mode="json")
            row = {"order_id": event.aggregate_id, "event_id": str(event.event_id), "event": kept}
            session.add(Review(**row, reason=reason))


async def known(sessions, event):
    async with sessions() as session:
        return await session.scalar(select(Review.id).where(Review.event_id == str(event.event_id)))


def compensator(*, calls=5, waits=lambda number, random: random() * 2**number, hold=False, look=True):
    async def compensate(sessions, event, call, *, sleep, random):
        if look and await known(sessions, event):
            return None
        for number in range(calls):
            if number:
                await sleep(waits(number, random))
            try:
                if hold:
                    async with sessions() as session:
                        await session.execute(select(1))
                        return await call(event)
                return await call(event)
            except ProviderUnavailable:
                reason = ReviewReason.UNAVAILABLE
            except Exception as error:
                name = "REFUSED" if type(error).__name__ == "ProviderRefused" else "UNEXPECTED"
                reason = ReviewReason(name)
                break
        await stored(sessions, event, reason)
        return None

    return compensate


def test_other_waits_are_right_too():
    """Equal jitter, decorrelated or full: any wait that grows and depends on chance."""

    def equal_jitter(number, random):
        return 2**number * (0.5 + random() / 2)

    assert judged("13.6.5", compensator()).passed
    assert judged("13.6.5", compensator(waits=equal_jitter)).passed


@pytest.mark.parametrize(
    ("name", "spoiled"),
    [
        ("too few calls", compensator(calls=3)),
        ("same waits", compensator(waits=lambda _, random: random())),
        ("no chance", compensator(waits=lambda number, _: 2.0**number)),
        ("hours", compensator(waits=lambda number, random: random() * 3_600 * number)),
        ("holds a connection", compensator(hold=True)),
        ("calls again", compensator(look=False)),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_spoiled_compensator_is_found_out_without_a_cause(name, spoiled):
    """Each of these breaks one promise of the task, and none of the known beliefs explains it."""
    assert causes(judged("13.6.5", spoiled)) == [], name


def test_error_after_the_last_call_is_not_lost_and_not_right():
    """Raising at the end keeps the message on the bus for ever: no review, and no loss."""

    async def compensate(sessions, event, call, *, sleep, random):
        for number in range(5):
            if number:
                await sleep(random() * 2**number)
            try:
                return await call(event)
            except ProviderUnavailable:
                if number == 4:
                    raise
        return None

    verdict = judged("13.6.5", compensate)

    assert verdict.state is State.ERROR
    assert causes(verdict) == []


def test_forged_review_without_a_call_is_found_out():
    """A review for everything needs no provider, and is no answer."""

    async def compensate(sessions, event, call, *, sleep, random):
        await stored(sessions, event, ReviewReason.UNAVAILABLE)

    assert causes(judged("13.6.5", compensate)) == []


# 13.6.6


def test_rows_in_any_order_are_a_right_answer():
    """The rows may be functions of their own, called last to first."""

    def failure_matrix(saga):
        for row in reversed(ROWS):
            row(saga)

    assert judged("13.6.6", failure_matrix).passed


def test_failing_by_pytest_is_failing():
    """pytest.fail() and pytest.raises() belong to a test."""

    def failure_matrix(saga):
        try:
            for row in ROWS:
                row(saga)
        except AssertionError as error:
            pytest.fail(str(error))

    assert judged("13.6.6", failure_matrix).passed


@pytest.mark.parametrize("left_out", ROWS[1:], ids=lambda row: row.__name__)
def test_matrix_without_a_row_is_found_out(left_out):
    """Each row catches a saga that no other row catches, or the one it shares."""

    def failure_matrix(saga):
        for row in ROWS:
            if row is not left_out:
                row(saga)

    verdict = judged("13.6.6", failure_matrix)
    if left_out is stock_is_short:  # a refused refund tells of it too
        assert verdict.passed
    else:
        assert causes(verdict) == []
        assert "passes on a saga that" in verdict.decisive.message


def test_test_that_always_fails_has_no_cause():
    """Failing everywhere tells nothing apart."""

    def failure_matrix(saga):
        all_is_well(saga)
        raise AssertionError("whatever it is")

    verdict = judged("13.6.6", failure_matrix)

    assert causes(verdict) == []
    assert verdict.decisive.title == "the test passes on a good saga, however it is built"


def test_comparing_with_the_good_saga_is_no_test():
    """What counts is what a saga does, not whether it is the one that was shown."""

    def failure_matrix(saga):
        from lab_support.exercises.s13_06.card_saga import ORDER_BY_CARD

        assert saga == ORDER_BY_CARD

    verdict = judged("13.6.6", failure_matrix)

    assert causes(verdict) == []
    assert "built in another way" in verdict.decisive.message


def test_counting_the_answers_of_a_step_is_no_test():
    """A step may take more answers than it was shown with, and mean the same."""

    def failure_matrix(saga):
        charge, reserve, _ = saga.steps
        assert charge.compensation
        assert charge.refused
        assert reserve.compensation
        assert len(reserve.success) == 1

    assert causes(judged("13.6.6", failure_matrix)) == []


async def released_by_locks(sessions, event):
    await released_under_locks(sessions, event)


@pytest.mark.parametrize(
    ("exercise_id", "answers"),
    [
        ("13.6.2", (refunded_by_state,)),
        ("13.6.3", (released_by_locks,)),
        ("13.6.4", (charged, cancelled, confirmed)),
    ],
    ids=["refund", "release", "tombstone"],
)
def test_right_answer_passes_where_postgresql_cannot_run(exercise_id, answers, monkeypatch):
    """Without PostgreSQL every story is told on SQLite, and the verdict is the same."""
    monkeypatch.setattr(judging, "_postgres_can_run", lambda: False)

    verdict = judged(exercise_id, *answers)

    assert verdict.passed, verdict.decisive
    assert any("for want of postgresql" in case.engine for case in verdict.cases)
