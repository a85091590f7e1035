"""How the provider is asked: how often, how long, how many at once.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab_support.sagas.retries import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSettings:
    """How the provider is asked.

    Attributes:
        retry: How often, and when again, after calls without an answer.
        call_s: How long one answer is waited for, in seconds.
        lease_s: How long a payment is left to the worker that has begun with it, in seconds; more than a call and
            the two transactions around it take.
        batch: The most payments of one turn; they are asked for at once.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    call_s: float = 5.0
    lease_s: float = 15.0
    batch: int = 20

    def __post_init__(self) -> None:
        """Refuse numbers with which two workers would ask at once, or none.

        Raises:
            ValueError: One is out of its range.
        """
        if not 0 < self.call_s < self.lease_s or self.batch < 1:
            raise ValueError(
                f"call_s is {self.call_s}, lease_s {self.lease_s}, batch {self.batch}; give a call_s above 0, a "
                "lease_s above call_s and a batch of 1 or more."
            )
