"""What can go wrong in Customers over HTTP; `api` turns each into a status.

    CustomersError
    ├── CustomerNotFoundError  nobody has this id
    └── CustomerIdTakenError   somebody has this id already

That credit is refused is no error: it is an answer, and travels as an event.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations


class CustomersError(Exception):
    """A request that Customers understood and refused; its text may be shown to the caller."""


class CustomerNotFoundError(CustomersError):
    """Nobody has this id."""

    def __init__(self, customer_id: str) -> None:
        super().__init__(f"There is no customer '{customer_id}'; GET /customers shows who there is.")
        self.customer_id = customer_id


class CustomerIdTakenError(CustomersError):
    """Somebody has this id already."""

    def __init__(self, customer_id: str) -> None:
        super().__init__(f"There is a customer '{customer_id}' already; choose another id.")
        self.customer_id = customer_id
