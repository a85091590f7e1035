from typing import Literal

from pydantic import BaseModel, Field

from lab_support.exercises.s13_06.errors import OutOfStock, UnknownSku
from lab_support.messaging import Event


class Reserved(BaseModel):
    sku: str
    quantity: int = Field(ge=1)


class InventoryReservationFailed(BaseModel):
    failed_step: Literal["reserve_stock"]
    sku: str
    reason: Literal["OUT_OF_STOCK", "UNKNOWN_SKU", "TIMEOUT", "INTERNAL_ERROR"]
    payment_id: int
    amount: str
    reserved: list[Reserved]


def code_of(error):
    if isinstance(error, OutOfStock):
        return "OUT_OF_STOCK"
    if isinstance(error, UnknownSku):
        return "UNKNOWN_SKU"
    return "TIMEOUT" if isinstance(error, TimeoutError) else "INTERNAL_ERROR"


def failure_event(cause, reserved, sku, error):
    payload = InventoryReservationFailed(
        failed_step="reserve_stock",
        sku=sku,
        reason=code_of(error),
        payment_id=cause.payload["payment_id"],
        amount=cause.payload["amount"],
        reserved=[line.model_dump() for line in reserved],
    )
    return Event(
        type="InventoryReservationFailed",
        aggregate_type=cause.aggregate_type,
        aggregate_id=cause.aggregate_id,
        saga_id=cause.saga_id,
        causation_id=cause.event_id,
        payload=payload.model_dump(mode="json"),
    )
