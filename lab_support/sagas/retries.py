"""How often something that failed is tried again, and how long it waits: a number of attempts, never "until it works".

Section:
    13.6, "A compensation that fails"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_HIGHEST_POWER: Final = 60  # of two: beyond it any limit has long been reached


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Attempts that end, with waits that double and are scattered.

    Attributes:
        attempts: The most attempts, the first included.
        backoff_s: The longest wait after the first failure, in seconds; it doubles with each failure.
        longest_s: The longest wait of all, in seconds.

    Section:
        13.6, "A compensation that fails"
    """

    attempts: int = 5
    backoff_s: float = 0.5
    longest_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing would be tried.

        Raises:
            ValueError: One is out of its range.
        """
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; give 1 or more.")
        if not (self.backoff_s >= 0 and self.longest_s >= 0):
            raise ValueError(
                f"backoff_s is {self.backoff_s} and longest_s is {self.longest_s}; give seconds of 0 or more."
            )

    def exhausted(self, failures: int) -> bool:
        """Tell whether so many failures were all the attempts there are."""
        return failures >= self.attempts

    def wait_s(self, failures: int, random: Callable[[], float]) -> float:
        """Return the wait after so many failures, in seconds: a random part of its bound ("full jitter").

        Args:
            failures: 1 or more.
            random: Gives a number from 0 up to, not including, 1.
        """
        bound = self.backoff_s * 2.0 ** min(failures - 1, _HIGHEST_POWER)
        return random() * min(self.longest_s, bound)
