from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel

from lab_support.exercises.s13_06.errors import OutOfStock, UnknownSku
from lab_support.exercises.s13_06.events import EVENTS, Line
from lab_support.messaging import Event, EventTypes


TYPES = EventTypes()


class InventoryReservationFailed(BaseModel):
    failed_step: str = "reserve_stock"
    sku: str
    reason: str
    payment_id: int
    amount: Decimal
    reserved: list[Line]


TYPES.register(InventoryReservationFailed)


def failure_event(cause, reserved, sku, error):
    paid = EVENTS.payload_of(cause)
    payload = InventoryReservationFailed(
        sku=sku,
        reason=str(error),
        payment_id=paid.payment_id,
        amount=paid.amount,
        reserved=reserved,
    )
    return TYPES.event(payload, aggregate_type="order", aggregate_id=cause.aggregate_id, cause=cause)
