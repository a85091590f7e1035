"""How a relay works, and what one of its turns did.

Section:
    13.5, "The relay"
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """How a relay works.

    Attributes:
        batch: The most rows of one turn.
        attempts: Failures of one row until it is parked.
        lease_s: How long claimed rows are its own, in seconds; half of it is the broker's limit to confirm.
            Longer than the clocks of two relays may differ.
        backoff_s: The wait of a row after its first failure, in seconds; it doubles with each.
        longest_wait_s: The longest wait after failures, in seconds.
        poll_s: How often it looks without being woken, in seconds.
        linger_s: After a turn with several rows, the wait before the next one, in seconds: while many commit, the
            next turn then has many rows too. A row that comes alone never waits.
        keep_published: How long published rows stay; None keeps them for ever.
    """

    batch: int = 100
    attempts: int = 5
    lease_s: float = 15.0
    backoff_s: float = 0.5
    longest_wait_s: float = 30.0
    poll_s: float = 1.0
    linger_s: float = 0.02
    keep_published: timedelta | None = timedelta(days=7)

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing would be published.

        Raises:
            ValueError: One is out of its range.
        """
        if self.batch < 1 or self.attempts < 1:
            raise ValueError(
                f"batch is {self.batch} and attempts {self.attempts}; give numbers of 1 or more."
            )
        if not (self.lease_s > 0 and self.backoff_s > 0 and self.longest_wait_s > 0 and self.poll_s > 0):
            raise ValueError(
                "lease_s, backoff_s, longest_wait_s and poll_s are seconds; give numbers above 0."
            )
        if not self.linger_s >= 0:
            raise ValueError(f"linger_s is {self.linger_s}; give seconds of 0 or more.")


@dataclass(slots=True)
class Turn:
    """What one turn of a relay did: sequence numbers of the rows it claimed, published, saw fail and parked.

    Attributes:
        complete: It left nothing that could have been published too.
    """

    claimed: list[int] = field(default_factory=list)
    published: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    parked: list[int] = field(default_factory=list)
    complete: bool = False
