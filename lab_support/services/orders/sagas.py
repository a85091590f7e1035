"""How Orders places an order when it coordinates it itself: two sagas, and how their ends are called.

Section:
    13.5, "The same operation, orchestrated"; 13.6, "The failure matrix"
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from lab_support.database import utc_now
from lab_support.sagas import Callbacks, Orchestrator, Outcome, SagaDefinition, SagaMixin, Step, When
from lab_support.services.orders.commands import (
    CUSTOMERS,
    PAYMENTS,
    STOCK,
    ChargePayment,
    RefundPayment,
    ReleaseCredit,
    ReleaseStock,
    ReserveCredit,
    ReserveStock,
    VerifyCustomer,
)
from lab_support.services.orders.events import (
    EVENTS,
    CompensationFailed,
    CustomerCreditLimitExceeded,
    CustomerCreditReleased,
    CustomerCreditReserved,
    CustomerVerificationFailed,
    CustomerVerified,
    InventoryReservationFailed,
    InventoryReserved,
    NothingToCompensate,
    PaymentFailed,
    PaymentRefunded,
    PaymentSuccessful,
    StockReleased,
    StockReserved,
    StockUnavailable,
)
from lab_support.services.vocabulary import (
    REFUND_PAYMENT,
    RELEASE_CREDIT,
    RELEASE_STOCK,
    Compensation,
    CustomerId,
    Lines,
    Money,
    PayBy,
    Payload,
)

VERIFY_CUSTOMER: Final = "verify-customer"
RESERVE_CREDIT: Final = "reserve-credit"
CHARGE_PAYMENT: Final = "charge-payment"
RESERVE_STOCK: Final = "reserve-stock"

COMPENSATION_OF: Final[Mapping[str, Compensation]] = MappingProxyType(
    {
        RESERVE_CREDIT: RELEASE_CREDIT,
        CHARGE_PAYMENT: REFUND_PAYMENT,
        RESERVE_STOCK: RELEASE_STOCK,
    }
)
"""What makes a step good again, in the words of the participants' events."""


class PlaceOrder(Payload):
    """What the steps of placing an order know."""

    order_id: UUID
    customer_id: CustomerId
    pay_by: PayBy
    total: Money
    items: Lines


def _paying(data: PlaceOrder) -> dict[str, Any]:
    return {
        "order_id": data.order_id,
        "customer_id": data.customer_id,
        "amount": data.total,
        "items": data.items,
    }


def _made_good(action: Compensation, *done: type[Payload]) -> dict[str, Any]:
    """Give the answers to a compensation; two of them are shared by all participants and name the action."""
    return {
        "done": (*done, When(NothingToCompensate, lambda reply: reply.action == action)),
        "refused": (When(CompensationFailed, lambda reply: reply.action == action),),
    }


_STOCK: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "name": RESERVE_STOCK,
        "to": STOCK,
        "action": lambda data: ReserveStock(order_id=data.order_id, items=data.items, pay_by=data.pay_by),
        "compensation": lambda data: ReleaseStock(
            order_id=data.order_id
        ),  # when nobody knows whether it was done
        "pivot": True,
        **_made_good(RELEASE_STOCK, StockReleased),
    }
)

PLACE_ORDER_ON_CREDIT: Final = SagaDefinition(
    name="place-order-on-credit",
    data=PlaceOrder,
    steps=(
        Step(
            name=RESERVE_CREDIT,
            to=CUSTOMERS,
            action=lambda data: ReserveCredit(**_paying(data)),
            success=(CustomerCreditReserved,),
            failure=(CustomerCreditLimitExceeded, CustomerVerificationFailed),
            compensation=lambda data: ReleaseCredit(order_id=data.order_id, customer_id=data.customer_id),
            **_made_good(RELEASE_CREDIT, CustomerCreditReleased),
        ),
        Step(success=(StockReserved,), failure=(StockUnavailable,), **_STOCK),
    ),
)

PLACE_ORDER_BY_CARD: Final = SagaDefinition(
    name="place-order-by-card",
    data=PlaceOrder,
    steps=(
        Step(
            name=VERIFY_CUSTOMER,
            to=CUSTOMERS,
            action=lambda data: VerifyCustomer(**_paying(data)),
            success=(CustomerVerified,),
            failure=(CustomerVerificationFailed,),
        ),
        Step(
            name=CHARGE_PAYMENT,
            to=PAYMENTS,
            action=lambda data: ChargePayment(**_paying(data)),
            success=(PaymentSuccessful,),
            failure=(PaymentFailed,),
            compensation=lambda data: RefundPayment(order_id=data.order_id, customer_id=data.customer_id),
            **_made_good(REFUND_PAYMENT, PaymentRefunded),
        ),
        Step(success=(InventoryReserved,), failure=(InventoryReservationFailed,), **_STOCK),
    ),
)

PLACE_ORDER: Final[Mapping[PayBy, SagaDefinition]] = MappingProxyType(
    {"credit": PLACE_ORDER_ON_CREDIT, "card": PLACE_ORDER_BY_CARD}
)


def orchestrator(
    table: type[SagaMixin],
    callbacks: Callbacks,
    *,
    deadline_s: float,
    clock: Callable[[], datetime] = utc_now,
    random: Callable[[], float] = _random.random,
) -> Orchestrator:
    """Build what runs both sagas.

    Start one with `await it.start(uow, PLACE_ORDER[pay_by].name, PlaceOrder(...), saga_id=…, subject=str(order_id))` in
    the order's unit of work, and give `it.on_reply` to the consumer of "order.replies".

    Args:
        table: The saga log of Orders.
        callbacks: What Orders does at the end of an order; see `failed_state` and `COMPENSATION_OF`.
        deadline_s: How long one step may be silent, all attempts together, in seconds.
        clock: Gives this moment, aware.
        random: Gives a number from 0 up to, not including, 1.
    """
    definitions = [one.with_deadline(deadline_s) for one in PLACE_ORDER.values()]
    return Orchestrator(definitions, table, EVENTS, callbacks, clock=clock, random=random)


def failed_state(outcome: Outcome) -> str:
    """Give the last state of an order whose saga turned back."""
    by_reason = {
        "DEADLINE": "FAILED_DEADLINE",
        "UNKNOWN_CUSTOMER": "FAILED_VERIFICATION",
        "CUSTOMER_BLOCKED": "FAILED_VERIFICATION",
    }
    by_step = {
        VERIFY_CUSTOMER: "FAILED_VERIFICATION",
        RESERVE_CREDIT: "FAILED_NO_CREDIT",
        CHARGE_PAYMENT: "FAILED_PAYMENT",
        RESERVE_STOCK: "FAILED_NO_STOCK" if outcome.data.pay_by == "credit" else "FAILED_INVENTORY",
    }
    return by_reason.get(outcome.reason or "") or by_step[outcome.step or ""]
