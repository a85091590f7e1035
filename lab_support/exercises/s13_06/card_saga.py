"""An order paid by card as an orchestrated saga: the good one, and five that are broken in one place each.

Section:
    13.6, "The failure matrix"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from lab_support.sagas import SagaDefinition, Step, When


class CardOrder(BaseModel):
    """What the steps of the saga know of an order."""

    order_id: str
    sku: str
    quantity: int
    amount: Decimal
    payment_id: int | None = None


class ChargeCard(BaseModel):
    """To Payments: take the money."""

    order_id: str
    amount: Decimal


class PaymentSuccessful(BaseModel):
    """Payments: the money was taken."""

    payment_id: int


class PaymentFailed(BaseModel):
    """Payments: the money was not taken, and won't be."""

    reason: str = "DECLINED"


class RefundPayment(BaseModel):
    """To Payments: give back whatever was taken for this order."""

    order_id: str
    payment_id: int | None


class PaymentRefunded(BaseModel):
    """Payments: whatever was taken is given back."""


class RefundRefused(BaseModel):
    """Payments: the provider does not take it back; a person has to look."""

    reason: str = "CARD_CLOSED"


class ReserveStock(BaseModel):
    """To Inventory: hold the pieces."""

    order_id: str
    sku: str
    quantity: int


class InventoryReserved(BaseModel):
    """Inventory: the pieces are held."""


class InventoryReservationFailed(BaseModel):
    """Inventory: nothing is held, and won't be."""

    reason: str = "OUT_OF_STOCK"


class ReleaseStock(BaseModel):
    """To Inventory: let go whatever is held for this order."""

    order_id: str


class StockReleased(BaseModel):
    """Inventory: nothing is held for this order."""


class ConfirmOrder(BaseModel):
    """To Orders: tell the customer."""

    order_id: str


class OrderConfirmed(BaseModel):
    """Orders: the customer was told."""


CHARGE = Step(
    name="charge-card",
    to="payments",
    action=lambda order: ChargeCard(order_id=order.order_id, amount=order.amount),
    success=(PaymentSuccessful,),
    failure=(PaymentFailed,),
    compensation=lambda order: RefundPayment(order_id=order.order_id, payment_id=order.payment_id),
    done=(PaymentRefunded,),
    refused=(RefundRefused,),
    on_reply=lambda order, paid: order.model_copy(update={"payment_id": paid.payment_id}),
)
RESERVE = Step(
    name="reserve-stock",
    to="inventory",
    action=lambda order: ReserveStock(order_id=order.order_id, sku=order.sku, quantity=order.quantity),
    success=(InventoryReserved,),
    failure=(InventoryReservationFailed,),
    compensation=lambda order: ReleaseStock(order_id=order.order_id),
    done=(StockReleased,),
)
CONFIRM = Step(
    name="confirm-order",
    to="orders",
    action=lambda order: ConfirmOrder(order_id=order.order_id),
    success=(OrderConfirmed,),
    pivot=True,
)


def _saga(*steps: Step) -> SagaDefinition:
    return SagaDefinition(name="order-by-card", steps=steps, data=CardOrder)


def _without_compensation(step: Step) -> Step:
    return replace(step, compensation=None, done=(), refused=())


def _always(_: Any) -> bool:
    return True


ORDER_BY_CARD = _saga(CHARGE, RESERVE, CONFIRM)

GOOD = "works"
GOOD_TOO = "works, and is built in another way"
NEVER_RESERVES = "confirms without having reserved anything"
BROKEN: dict[str, Callable[[], SagaDefinition]] = {
    NEVER_RESERVES: lambda: _saga(CHARGE, CONFIRM),
    "gives no money back when stock is short": lambda: _saga(_without_compensation(CHARGE), RESERVE, CONFIRM),
    "releases nothing when Inventory stays silent": lambda: _saga(
        CHARGE, _without_compensation(RESERVE), CONFIRM
    ),
    "takes a copy of PaymentSuccessful for a reservation": lambda: _saga(
        CHARGE,
        replace(RESERVE, success=(InventoryReserved, When(PaymentSuccessful, _always))),
        CONFIRM,
    ),
    "takes a refused refund for a refund": lambda: _saga(
        replace(CHARGE, done=(PaymentRefunded, RefundRefused), refused=()), RESERVE, CONFIRM
    ),
}


def _built_in_another_way() -> SagaDefinition:
    """Build a saga that does what the good one does, with answers told apart by conditions."""
    return _saga(
        replace(CHARGE, failure=(When(PaymentFailed, _always),), done=(When(PaymentRefunded, _always),)),
        replace(RESERVE, success=(When(InventoryReserved, _always), InventoryReserved), deadline_s=5.0),
        CONFIRM,
    )


def variant(name: str) -> SagaDefinition:
    """Build a good saga, or one of the broken ones; all of them have the same name."""
    good = {GOOD: lambda: ORDER_BY_CARD, GOOD_TOO: _built_in_another_way}
    return {**good, **BROKEN}[name]()
