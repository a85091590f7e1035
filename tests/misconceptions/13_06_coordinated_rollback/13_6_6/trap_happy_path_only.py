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


def failure_matrix(saga):
    story = given_saga(saga, **ORDER)
    story.expect(ChargeCard, to="payments").when_reply(PaymentSuccessful(payment_id=41))
    story.expect(ReserveStock, to="inventory").when_reply(InventoryReserved())
    story.expect(ConfirmOrder, to="orders").when_reply(OrderConfirmed())
    story.expect_end("completed")
