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


CHARGED = (ChargeCard, "payments", PaymentSuccessful(payment_id=7))
RESERVED = (ReserveStock, "inventory", InventoryReserved())
SHORT = (ReserveStock, "inventory", InventoryReservationFailed())
REFUNDED = (RefundPayment, "payments", PaymentRefunded())
ROWS = {
    "all is well": ([CHARGED, RESERVED, (ConfirmOrder, "orders", OrderConfirmed())], "completed"),
    "declined": ([(ChargeCard, "payments", PaymentFailed())], "compensated"),
    "short": ([CHARGED, SHORT, REFUNDED], "compensated"),
    "silent": (
        [
            CHARGED,
            (ReserveStock, "inventory", None),
            (ReserveStock, "inventory", None),
            (ReserveStock, "inventory", None),
            (ReleaseStock, "inventory", StockReleased()),
            REFUNDED,
        ],
        "compensated",
    ),
    "refund refused": ([CHARGED, SHORT, (RefundPayment, "payments", RefundRefused())], "requires_review"),
}


async def failure_matrix(saga):
    for copies in (0, 1):
        for name, (steps, end) in ROWS.items():
            story = given_saga(saga, **ORDER)
            for command, to, reply in steps:
                expected = story.expect(command, to=to)
                if reply is None:
                    expected.when_silent()
                    continue
                expected.when_reply(reply)
                for _ in range(copies):
                    story.hears(reply)
            assert story.state.status.lower() == end, name
