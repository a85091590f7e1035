"""What Orders asks of the others when it coordinates an order itself; they answer with their events, to Orders alone.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

from uuid import UUID

from lab_support.services.orders.events import EVENTS
from lab_support.services.vocabulary import CustomerId, Lines, Money, PayBy, Payload

CUSTOMERS = "customer.commands"
PAYMENTS = "payment.commands"
STOCK = "stock.commands"


class VerifyCustomer(Payload):
    """Say whether a customer may pay by card."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class ReserveCredit(Payload):
    """Set the price of an order aside."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class ReleaseCredit(Payload):
    """Make it credit again; or never set it aside."""

    order_id: UUID
    customer_id: CustomerId


class ChargePayment(Payload):
    """Charge the card of a customer."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class RefundPayment(Payload):
    """Give back what was charged; or never charge it."""

    order_id: UUID
    customer_id: CustomerId


class ReserveStock(Payload):
    """Set the pieces of an order aside; how it is paid names the answer."""

    order_id: UUID
    items: Lines
    pay_by: PayBy


class ReleaseStock(Payload):
    """Put the pieces of an order back; or never set them aside."""

    order_id: UUID


COMMANDS = (
    VerifyCustomer,
    ReserveCredit,
    ReleaseCredit,
    ChargePayment,
    RefundPayment,
    ReserveStock,
    ReleaseStock,
)
for _model in COMMANDS:
    EVENTS.register(_model)
