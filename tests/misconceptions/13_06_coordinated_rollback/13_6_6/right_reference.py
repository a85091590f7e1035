from decimal import Decimal

from lab_support.exercises.s13_06.card_saga import (
    ChargeCard,
    ConfirmOrder,
    InventoryReservationFailed,
    InventoryReserved,
    OrderConfirmed,
    PaymentFailed,
    PaymentRefunded,
    PaymentSuccessful,
    RefundPayment,
    RefundRefused,
    ReleaseStock,
    ReserveStock,
    StockReleased,
)
from lab_support.sagas.testing import given_saga

ORDER = {"order_id": "order-1", "sku": "LAMP-7", "quantity": 2, "amount": Decimal("25.80")}


def paid_order(saga):
    story = given_saga(saga, **ORDER)
    story.expect(ChargeCard, to="payments").when_reply(PaymentSuccessful(payment_id=41))
    return story


def failure_matrix(saga):
    story = paid_order(saga)
    story.expect(ReserveStock, to="inventory").when_reply(InventoryReserved())
    story.expect(ConfirmOrder, to="orders").when_reply(OrderConfirmed())
    story.expect_end("completed")

    story = given_saga(saga, **ORDER)
    story.expect(ChargeCard, to="payments").when_reply(PaymentFailed())
    story.expect_end("compensated")

    story = paid_order(saga)
    story.expect(ReserveStock, to="inventory").when_reply(InventoryReservationFailed())
    story.expect(RefundPayment, to="payments", payment_id=41).when_reply(PaymentRefunded())
    story.expect_end("compensated", reason="OUT_OF_STOCK")

    story = paid_order(saga)
    story.expect(ReserveStock, to="inventory").when_silent_for_good()
    story.expect(ReleaseStock, to="inventory").when_reply(StockReleased())
    story.expect(RefundPayment, to="payments").when_reply(PaymentRefunded())
    story.expect_end("compensated")

    story = paid_order(saga)
    story.hears(PaymentSuccessful(payment_id=41))
    story.expect(ReserveStock, to="inventory").when_reply(InventoryReserved())

    story = paid_order(saga)
    story.expect(ReserveStock, to="inventory").when_reply(InventoryReservationFailed())
    story.expect(RefundPayment, to="payments").when_reply(RefundRefused())
    story.expect_end("requires_review")
    story.expect_review("charge-card")
