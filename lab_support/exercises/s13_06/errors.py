"""What goes wrong in the exercises: refusals of Inventory, and answers of the card's provider.

Section:
    13.6, "What a failure event must carry"
"""

from __future__ import annotations

from enum import StrEnum


class OutOfStock(Exception):  # noqa: N818 - it reads as what happened
    """There are fewer free pieces than the order wants."""


class UnknownSku(Exception):  # noqa: N818
    """Inventory has no such product."""


class ProviderUnavailable(Exception):  # noqa: N818
    """The provider did not answer: the same call may succeed later."""


class ProviderRefused(Exception):  # noqa: N818
    """The provider has decided: the same call gets the same answer."""


class ReviewReason(StrEnum):
    """Why a message waits for a person."""

    UNAVAILABLE = "UNAVAILABLE"
    REFUSED = "REFUSED"
    UNEXPECTED = "UNEXPECTED"
