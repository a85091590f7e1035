"""Between the API's words and the tables': pure functions, no session.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab_support.services.inventory.dtos import ReservationRead, StockRead
from lab_support.services.inventory.entities import Reservation, Stock
from lab_support.services.vocabulary import Line


def stock_read(stock: Stock, reserved: int) -> StockRead:
    """Show a product in the warehouse, and how many pieces of it are reserved."""
    return StockRead(
        sku=stock.sku, available=stock.available, reserved=reserved, discontinued=stock.discontinued
    )


def reservation_read(reservation: Reservation) -> ReservationRead:
    """Show what was decided about the pieces of an order."""
    return ReservationRead.model_validate(reservation, from_attributes=True)


def quantities(lines: Iterable[Line]) -> dict[str, int]:
    """Add up the pieces of each product, in the order of the skus: the order in which everybody locks them."""
    wanted: dict[str, int] = {}
    for line in lines:
        wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
    return dict(sorted(wanted.items()))


def lines(pieces: Mapping[str, int]) -> list[Line]:
    """Write pieces as the lines of an event."""
    return [Line(sku=sku, quantity=quantity) for sku, quantity in pieces.items()]
