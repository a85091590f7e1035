"""Where an order may be, and which event moves it where: a table, and no code that could disagree with it.

    credit:  PENDING          -> APPROVED  | FAILED_NO_CREDIT | FAILED_NO_STOCK  | FAILED_VERIFICATION | FAILED_DEADLINE
    card:    PENDING_PAYMENT  -> CONFIRMED | FAILED_PAYMENT   | FAILED_INVENTORY | FAILED_VERIFICATION | FAILED_DEADLINE

Whatever stands on the right never changes.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "What a failure event must carry"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lab_support.sagas.decide import DEADLINE
from lab_support.services.orders.events import (
    CustomerCreditLimitExceeded,
    CustomerCreditReserved,
    CustomerVerificationFailed,
    CustomerVerified,
    InventoryReservationFailed,
    InventoryReserved,
    PaymentFailed,
    PaymentSuccessful,
    StockReserved,
    StockUnavailable,
)
from lab_support.services.orders.sagas import CHARGE_PAYMENT, RESERVE_CREDIT, RESERVE_STOCK, VERIFY_CUSTOMER
from lab_support.services.vocabulary import (
    REFUND_PAYMENT,
    RELEASE_CREDIT,
    RELEASE_STOCK,
    Compensation,
    Payload,
)

PENDING: Final = "PENDING"
PENDING_PAYMENT: Final = "PENDING_PAYMENT"
APPROVED: Final = "APPROVED"
CONFIRMED: Final = "CONFIRMED"
FAILED_NO_CREDIT: Final = "FAILED_NO_CREDIT"
FAILED_NO_STOCK: Final = "FAILED_NO_STOCK"
FAILED_PAYMENT: Final = "FAILED_PAYMENT"
FAILED_INVENTORY: Final = "FAILED_INVENTORY"
FAILED_VERIFICATION: Final = "FAILED_VERIFICATION"
FAILED_DEADLINE: Final = "FAILED_DEADLINE"

WAITING: Final = (PENDING, PENDING_PAYMENT)
GOOD: Final = (APPROVED, CONFIRMED)


@dataclass(frozen=True, slots=True)
class Ending:
    """An end that an order can come to, and what has to be said with it.

    Attributes:
        status: What the order becomes.
        failed_step: What went wrong; None when nothing did.
        reason: Why, as a code.
        compensate: What has to be made good.
        of: The statuses from which it can be reached.
    """

    status: str
    of: tuple[str, ...]
    failed_step: str | None = None
    reason: str | None = None
    compensate: tuple[Compensation, ...] = ()


_REACTIONS: Final[Mapping[type[Payload], Ending]] = MappingProxyType(
    {
        StockReserved: Ending(APPROVED, (PENDING,)),
        InventoryReserved: Ending(CONFIRMED, (PENDING_PAYMENT,)),
        CustomerCreditLimitExceeded: Ending(FAILED_NO_CREDIT, (PENDING,), RESERVE_CREDIT),
        StockUnavailable: Ending(FAILED_NO_STOCK, (PENDING,), RESERVE_STOCK, compensate=(RELEASE_CREDIT,)),
        PaymentFailed: Ending(FAILED_PAYMENT, (PENDING_PAYMENT,), CHARGE_PAYMENT),
        InventoryReservationFailed: Ending(
            FAILED_INVENTORY, (PENDING_PAYMENT,), RESERVE_STOCK, compensate=(REFUND_PAYMENT,)
        ),
        CustomerVerificationFailed: Ending(FAILED_VERIFICATION, WAITING, VERIFY_CUSTOMER),
    }
)
_WAITS_FOR: Final[Mapping[str, tuple[tuple[type[Payload] | None, str], ...]]] = MappingProxyType(
    {
        "credit": ((CustomerCreditReserved, RESERVE_STOCK), (None, RESERVE_CREDIT)),
        "card": (
            (PaymentSuccessful, RESERVE_STOCK),
            (CustomerVerified, CHARGE_PAYMENT),
            (None, VERIFY_CUSTOMER),
        ),
    }
)
_MAY_HAVE_HAPPENED: Final[Mapping[str, tuple[Compensation, ...]]] = MappingProxyType(
    {"credit": (RELEASE_STOCK, RELEASE_CREDIT), "card": (RELEASE_STOCK, REFUND_PAYMENT)}
)


def first_status(pay_by: str) -> str:
    """Give the status of an order that was just taken."""
    return PENDING if pay_by == "credit" else PENDING_PAYMENT


def reaction_to(payload: Payload) -> Ending | None:
    """Give the end to which an event brings a choreographed order; None when the saga only goes on."""
    ending = _REACTIONS.get(type(payload))
    if ending is None or ending.failed_step is None:
        return ending
    reason = str(getattr(payload, "reason", ending.status))
    return Ending(ending.status, ending.of, ending.failed_step, reason, ending.compensate)


def silence(pay_by: str, heard: Collection[str]) -> Ending:
    """Give the end of a choreographed order whose next answer did not come in time.

    Whoever was to answer may have acted all the same, so everything is made good.

    Args:
        pay_by: How the order is paid.
        heard: The types of the events heard of it.
    """
    waited_for = next(step for type_, step in _WAITS_FOR[pay_by] if type_ is None or type_.__name__ in heard)
    compensate = _MAY_HAVE_HAPPENED[pay_by]
    return Ending(FAILED_DEADLINE, (first_status(pay_by),), waited_for, DEADLINE, compensate)


def success(pay_by: str) -> Ending:
    """Give the good end of an orchestrated order."""
    return Ending(APPROVED if pay_by == "credit" else CONFIRMED, (first_status(pay_by),))


def failure(status: str, pay_by: str, step: str, reason: str) -> Ending:
    """Give the bad end of an orchestrated order; the orchestrator itself has everything made good."""
    return Ending(status, (first_status(pay_by),), step, reason)
