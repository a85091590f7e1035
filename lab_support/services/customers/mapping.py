"""Between the API's words and the tables': pure functions, no session.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from decimal import Decimal

from lab_support.services.customers.dtos import CustomerCreate, CustomerRead
from lab_support.services.customers.entities import Customer


def new_customer(wanted: CustomerCreate) -> Customer:
    """Make the row of a new customer, who is not blocked."""
    return Customer(
        id=wanted.customer_id, name=wanted.name, email=wanted.email, credit=wanted.credit, blocked=False
    )


def customer_read(customer: Customer, reserved: Decimal) -> CustomerRead:
    """Show a customer, and how much is reserved; the e-mail address is nobody's business."""
    return CustomerRead(
        customer_id=customer.id,
        name=customer.name,
        credit=customer.credit,
        reserved=reserved,
        blocked=customer.blocked,
        last_order_id=customer.last_order_id,
        last_order_at=customer.last_order_at,
    )
