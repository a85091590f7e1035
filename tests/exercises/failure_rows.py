"""The rows of a good failure matrix, one function each, in a module that a fresh process loads quickly."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from lab_support.exercises.s13_06.card_saga import (
    ChargeCard,
    ConfirmOrder,
    InventoryReservationFailed,
    InventoryReserved,
    OrderConfirmed,
    PaymentRefunded,
    PaymentSuccessful,
    RefundPayment,
    RefundRefused,
    ReleaseStock,
    ReserveStock,
    StockReleased,
)
from lab_support.sagas import SagaDefinition
from lab_support.sagas.testing import Ending, Story, given_saga


def paid(saga: SagaDefinition) -> Story:
    story = given_saga(saga, order_id="order-1", sku="LAMP-7", quantity=2, amount=Decimal("25.80"))
    story.expect(ChargeCard, to="payments").when_reply(PaymentSuccessful(payment_id=41))
    return story


def all_is_well(saga: SagaDefinition) -> None:
    story = paid(saga)
    story.expect(ReserveStock, to="inventory").when_reply(InventoryReserved())
    story.expect(ConfirmOrder, to="orders").when_reply(OrderConfirmed())
    story.expect_end("completed")


def stock_is_short(
    saga: SagaDefinition, answer: BaseModel | None = None, end: Ending = "compensated"
) -> None:
    story = paid(saga)
    story.expect(ReserveStock, to="inventory").when_reply(InventoryReservationFailed())
    story.expect(RefundPayment, to="payments").when_reply(answer or PaymentRefunded())
    story.expect_end(end)


def inventory_is_silent(saga: SagaDefinition) -> None:
    story = paid(saga)
    story.expect(ReserveStock, to="inventory").when_silent_for_good()
    story.expect(ReleaseStock, to="inventory").when_reply(StockReleased())
    story.expect(RefundPayment, to="payments").when_reply(PaymentRefunded())
    story.expect_end("compensated")


def payment_comes_twice(saga: SagaDefinition) -> None:
    story = paid(saga)
    story.hears(PaymentSuccessful(payment_id=41))
    story.expect(ReserveStock, to="inventory").when_reply(InventoryReserved())


def refund_is_refused(saga: SagaDefinition) -> None:
    stock_is_short(saga, RefundRefused(), "requires_review")


ROWS = (all_is_well, stock_is_short, inventory_is_silent, payment_comes_twice, refund_is_refused)
