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
    for replies in (
        [PaymentSuccessful(payment_id=1), InventoryReserved(), OrderConfirmed()],
        [PaymentFailed()],
        [PaymentSuccessful(payment_id=1), InventoryReservationFailed(), PaymentRefunded()],
        [PaymentSuccessful(payment_id=1), InventoryReservationFailed(), RefundRefused()],
    ):
        story = given_saga(saga, **ORDER)
        for reply in replies:
            story.hears(reply)
        print(story.state)
