"""The projection: from an event to what it changes in a summary. Pure, so that its rules can be tested alone.

An order's summary tells four stories: of the order, the credit, the payment, the stock. Each goes one way, through
stages: decided, then perhaps in review, then made good. A stage is the version of its story: what is of the same stage
or an earlier one changes nothing. So events may come twice and in any order, and the summary ends the same.

Section:
    13.9, "CQRS: a read model fed by events"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

from lab_support.services.gateway import events
from lab_support.services.gateway.entities import OrderSummary
from lab_support.services.vocabulary import REFUND_PAYMENT, RELEASE_CREDIT, RELEASE_STOCK

Story = Literal["order", "credit", "payment", "stock"]

SERVICE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {"order": "orders", "customer": "customers", "payment": "payments", "stock": "inventory"}
)
"""Who tells of a kind of aggregate."""

DECIDED, IN_REVIEW, MADE_GOOD = 1, 2, 3
_STORY_OF: Final[Mapping[str, Story]] = MappingProxyType(
    {RELEASE_CREDIT: "credit", REFUND_PAYMENT: "payment", RELEASE_STOCK: "stock"}
)
_NEWS: Final[Mapping[type, tuple[Story, int, str]]] = MappingProxyType(
    {
        events.OrderCreated: ("order", DECIDED, "PENDING"),
        events.OrderApproved: ("order", MADE_GOOD, "APPROVED"),
        events.OrderConfirmed: ("order", MADE_GOOD, "CONFIRMED"),
        events.OrderFailed: ("order", MADE_GOOD, "FAILED"),
        events.CustomerVerified: ("credit", DECIDED, "VERIFIED"),
        events.CustomerVerificationFailed: ("credit", DECIDED, "REFUSED"),
        events.CustomerCreditReserved: ("credit", DECIDED, "RESERVED"),
        events.CustomerCreditLimitExceeded: ("credit", DECIDED, "REFUSED"),
        events.CustomerCreditReleased: ("credit", MADE_GOOD, "RELEASED"),
        events.PaymentSuccessful: ("payment", DECIDED, "CHARGED"),
        events.PaymentFailed: ("payment", DECIDED, "FAILED"),
        events.PaymentRefunded: ("payment", MADE_GOOD, "REFUNDED"),
        events.StockReserved: ("stock", DECIDED, "RESERVED"),
        events.InventoryReserved: ("stock", DECIDED, "RESERVED"),
        events.StockUnavailable: ("stock", DECIDED, "REFUSED"),
        events.InventoryReservationFailed: ("stock", DECIDED, "REFUSED"),
        events.StockReleased: ("stock", MADE_GOOD, "RELEASED"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What an event says about one order.

    Attributes:
        order_id: The order.
        service: Who told it.
        happened_at: By the teller's clock, and never after the moment at which it was heard.
        story: What it goes on with; None when it changes no status.
        stage: How far the story has come with it.
        status: The word for that.
        columns: What else is known of the order from now on; it never changes.
    """

    order_id: UUID
    service: str
    happened_at: datetime
    story: Story | None = None
    stage: int = 0
    status: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)


def fact_of(payload: Any, *, service: str, occurred_at: datetime, heard_at: datetime) -> Fact:
    """Read what an event says.

    Args:
        payload: One of `events.READ`.
        service: Who told it.
        occurred_at: By the teller's clock, which may be wrong.
        heard_at: By the clock of whoever heard it: nothing that was heard can happen later.
    """
    story, stage, status = _news(payload)
    return Fact(
        order_id=payload.order_id,
        service=service,
        happened_at=min(occurred_at, heard_at),
        story=story,
        stage=stage,
        status=status,
        columns=_columns(payload, occurred_at),
    )


def apply(fact: Fact, summary: OrderSummary) -> None:
    """Change a summary as a fact says, if it does not know better already."""
    for column, value in fact.columns.items():
        setattr(summary, column, value)
    summary.updated_at = max(summary.updated_at, fact.happened_at)
    if fact.story is None or fact.stage <= getattr(summary, f"{fact.story}_stage"):
        return
    setattr(summary, f"{fact.story}_stage", fact.stage)
    setattr(summary, "status" if fact.story == "order" else fact.story, fact.status)


def blank(generation: int, fact: Fact) -> dict[str, Any]:
    """Give the columns of a summary that has heard of nothing yet."""
    return {
        "generation": generation,
        "order_id": fact.order_id,
        "order_stage": 0,
        "credit_stage": 0,
        "payment_stage": 0,
        "stock_stage": 0,
        "updated_at": fact.happened_at,
    }


def _news(payload: Any) -> tuple[Story | None, int, str]:
    match payload:
        case events.NothingToCompensate():
            return _STORY_OF[payload.action], MADE_GOOD, "CANCELLED"
        case events.CompensationFailed():
            return _STORY_OF[payload.action], IN_REVIEW, "IN_REVIEW"
        case events.ReviewResolved(resolution="settled"):
            return _STORY_OF[payload.action], MADE_GOOD, "SETTLED"
        case events.ReviewResolved():
            return None, 0, ""
    return _NEWS[type(payload)]


def _columns(payload: Any, occurred_at: datetime) -> Mapping[str, Any]:
    known: dict[str, Any] = {}
    if (customer_id := getattr(payload, "customer_id", None)) is not None:
        known["customer_id"] = customer_id
    if isinstance(payload, events.OrderCreated):
        known |= {
            "pay_by": payload.pay_by,
            "total": payload.total,
            "items": [line.model_dump(mode="json") for line in payload.items],
            "ordered_at": occurred_at,
        }
    elif isinstance(payload, events.OrderFailed):
        known["reason"] = payload.reason
    return known
