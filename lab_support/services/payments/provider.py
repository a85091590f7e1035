"""What Payments wants from whoever moves the money, and what can go wrong there.

    ProviderError
    ├── ProviderTimeoutError     no answer: nobody here knows whether it was done
    ├── ProviderDownError        it could not be asked: nothing was done
    ├── CardDeclinedError        the card is refused, and will be under this key
    ├── KeyClosedError           the key was refunded or given up: it charges nothing any more
    └── RefundRefusedError       the money can't be given back this way: a person has to look

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


class ProviderError(Exception):
    """The parent of all of them."""


class ProviderTimeoutError(ProviderError):
    """The provider did not answer in time; it may have done what it was asked, or not."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"The payment provider gave no answer about {key}. Ask again with the same key.")


class ProviderDownError(ProviderError):
    """The provider could not be reached, so it did nothing."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"The payment provider cannot be reached about {key}. Ask again later.")


class CardDeclinedError(ProviderError):
    """The card was refused; the same key gets the same answer."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"The card for {key} was declined. Nothing was charged; let the customer pay otherwise."
        )


class KeyClosedError(ProviderError):
    """The key was closed by a refund, so nothing is charged under it."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"The key {key} is closed, so nothing is charged under it. A new payment needs a new key."
        )


class RefundRefusedError(ProviderError):
    """The provider will not give this money back."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"The provider refuses to refund {key}. Settle it with the customer by hand.")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was charged under one key, and how much of it was given back.

    Attributes:
        key: The caller's name for the payment.
        charged: Money.
        refunded: Money, 0 or all of `charged`.
    """

    key: str
    charged: Decimal
    refunded: Decimal


class PaymentProvider(Protocol):
    """Charges cards and gives money back. The same call with the same key has one effect and one answer.

    Section:
        13.6, "Order, payment, inventory"
    """

    async def charge(self, key: str, amount: Decimal, *, card: str) -> Receipt:
        """Charge a card, unless it has been charged under this key already.

        Args:
            key: The caller's name for this one payment.
            amount: Money.
            card: Whose card.

        Raises:
            CardDeclinedError: The card is refused.
            KeyClosedError: The key was refunded.
            ProviderTimeoutError: Nobody knows whether it was charged.
            ProviderDownError: It was not charged.
        """

    async def refund(self, key: str) -> Receipt | None:
        """Give back what was charged under the key and close it, so that a late charge is refused.

        The amount is the provider's own: what it charged. None says that it had charged nothing, and never will.

        Raises:
            RefundRefusedError: It will not give the money back.
            ProviderTimeoutError: Nobody knows whether it did.
            ProviderDownError: It did not.
        """

    async def find(self, key: str) -> Receipt | None:
        """Say what was charged under the key.

        Raises:
            ProviderTimeoutError: There was no answer.
            ProviderDownError: It cannot be reached.
        """
