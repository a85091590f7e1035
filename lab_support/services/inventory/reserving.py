"""What happens to stock because of orders: reserved, refused, put back. The caller commits.

An order gets all its pieces or none. What was decided is a row, written before any product is touched, so of two
messages about one order the second waits for the first; whatever comes later finds what was decided. An order that
failed before anything was decided leaves a tombstone, and a message that was late finds that instead.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "The action, and what makes it good"
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from lab_support.database import UnitOfWork
from lab_support.messaging import Event
from lab_support.sagas import RefusedError, Task
from lab_support.services.inventory.entities import CANCELLED, REFUSED, RELEASED, RESERVED
from lab_support.services.inventory.events import (
    EVENTS,
    TOPIC,
    CompensationFailed,
    InventoryReservationFailed,
    InventoryReserved,
    NoPieces,
    NothingToCompensate,
    StockReleased,
    StockReserved,
    StockUnavailable,
)
from lab_support.services.inventory.mapping import lines
from lab_support.services.inventory.repository import ReservationRepository, StockRepository
from lab_support.services.vocabulary import RELEASE_STOCK, PayBy, Payload

PRODUCT_GONE: Final = "PRODUCT_GONE"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pieces an order needs, by sku, in their order; how it is paid names the answer."""

    order_id: UUID
    pay_by: PayBy
    pieces: Mapping[str, int]


class _LackingError(Exception):
    """The warehouse can't give so many pieces of a product."""

    def __init__(self, sku: str) -> None:
        super().__init__(sku)
        self.sku = sku


async def reserve(uow: UnitOfWork, wanted: Wanted, cause: Event) -> bool:
    """Set all pieces of an order aside, or none, and announce which; False when that was decided before."""
    reservations = ReservationRepository(uow.session)
    if not await reservations.begin(wanted.order_id, wanted.pay_by):
        return False
    try:
        async with uow.savepoint() if len(wanted.pieces) > 1 else nullcontext():
            await _take(StockRepository(uow.session), wanted.pieces)
    except _LackingError as lacking:
        reason = await _why_not(uow, lacking.sku)
        await reservations.refuse(wanted.order_id, lacking.sku, reason)
        uow.announce(_event(_refused(wanted, lacking.sku, reason), cause=cause))
    else:
        await reservations.add_pieces(wanted.order_id, wanted.pieces)
        uow.announce(_event(_reserved(wanted), cause=cause))
    return True


async def repeat_decision(uow: UnitOfWork, wanted: Wanted, cause: Event) -> None:
    """Announce once more what was decided about an order, for somebody who asked again; a cancelled one is over."""
    reservations = ReservationRepository(uow.session)
    decided = await reservations.get(wanted.order_id)
    if decided is None or decided.status not in (RESERVED, REFUSED):
        return
    if decided.status == RESERVED:
        taken = Wanted(wanted.order_id, wanted.pay_by, await reservations.pieces(wanted.order_id))
        uow.announce(_event(_reserved(taken), cause=cause))
    else:
        reason = cast("NoPieces", decided.reason)
        uow.announce(_event(_refused(wanted, decided.sku or "", reason), cause=cause))


async def release_stock(uow: UnitOfWork, task: Task) -> None:
    """Put back what is reserved for an order, once; when nothing was reserved, see that nothing will be.

    Raises:
        RefusedError: PRODUCT_GONE: a product has left the warehouse meanwhile; then nothing is put back.
    """
    order_id, decided = UUID(task.subject), None
    reservations = ReservationRepository(uow.session)
    if not await reservations.cancel(order_id):
        decided = await reservations.get(order_id, for_update=True)
    if decided is None or decided.status not in (RESERVED, RELEASED):
        uow.announce(_event(_nothing(order_id), **task.because))
        return
    pieces = await reservations.pieces(order_id, for_update=True)
    if decided.status == RESERVED:
        await reservations.release(order_id)
        await _put_back(StockRepository(uow.session), pieces)
    uow.announce(_event(StockReleased(order_id=order_id, items=lines(pieces)), **task.because))


async def repeat_release(uow: UnitOfWork, order_id: UUID, cause: Event) -> None:
    """Announce once more that pieces were put back or never reserved, for somebody who asked again."""
    reservations = ReservationRepository(uow.session)
    decided = await reservations.get(order_id)
    if decided is None or decided.status not in (RELEASED, REFUSED, CANCELLED):
        return  # the compensation is still open, or waits for a person
    payload: Payload = _nothing(order_id)
    if decided.status == RELEASED:
        payload = StockReleased(order_id=order_id, items=lines(await reservations.pieces(order_id)))
    uow.announce(_event(payload, cause=cause))


def release_failed(task: Task, reason: str, attempts: int) -> Event:
    """Tell that pieces can't be put back and a person has to look."""
    payload = CompensationFailed(
        order_id=UUID(task.subject), action=RELEASE_STOCK, reason=reason, attempts=attempts
    )
    return _event(payload, **task.because)


async def _take(stock: StockRepository, pieces: Mapping[str, int]) -> None:
    for sku, quantity in pieces.items():
        if not await stock.take(sku, quantity):
            raise _LackingError(sku)


async def _put_back(stock: StockRepository, pieces: Mapping[str, int]) -> None:
    for sku, quantity in pieces.items():
        if not await stock.put_back(sku, quantity):
            raise RefusedError(PRODUCT_GONE)


async def _why_not(uow: UnitOfWork, sku: str) -> NoPieces:
    discontinued = await StockRepository(uow.session).is_discontinued(sku)
    if discontinued is None:
        return "UNKNOWN_SKU"
    return "DISCONTINUED" if discontinued else "OUT_OF_STOCK"


def _reserved(wanted: Wanted) -> Payload:
    answer = StockReserved if wanted.pay_by == "credit" else InventoryReserved
    return answer(order_id=wanted.order_id, items=lines(wanted.pieces))


def _refused(wanted: Wanted, sku: str, reason: NoPieces) -> Payload:
    answer = StockUnavailable if wanted.pay_by == "credit" else InventoryReservationFailed
    return answer(order_id=wanted.order_id, sku=sku, reason=reason)


def _nothing(order_id: UUID) -> Payload:
    return NothingToCompensate(order_id=order_id, action=RELEASE_STOCK)


def _event(payload: Payload, **because: Any) -> Event:
    of = payload.model_dump()["order_id"]
    return EVENTS.event(payload, aggregate_type=TOPIC, aggregate_id=of, **because)
