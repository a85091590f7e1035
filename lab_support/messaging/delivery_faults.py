"""A bus that duplicates, delays and reorders on purpose: what happens depends on a seed alone.

Section:
    13.5, "A bus that misbehaves on purpose"
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFaults:
    """How a topic's messages reach a group, told by a seed; time plays no part, so a run can be replayed.

    Attributes:
        seed: The same seed and the same log give the same deliveries in the same order.
        duplicates: The chance that a message is delivered once more, and after that once more again.
        most_copies: The most deliveries that were acknowledged by the handler and lost on the way.
        delays: The chance that a delivery is held back.
        longest_delay: By how many later messages it is overtaken at most.
    """

    seed: int
    duplicates: float = 0.2
    most_copies: int = 3
    delays: float = 0.3
    longest_delay: int = 5

    def __post_init__(self) -> None:
        """Refuse chances and counts that make no sense.

        Raises:
            ValueError: One is out of its range.
        """
        if not (0 <= self.duplicates <= 1 and 0 <= self.delays <= 1):
            raise ValueError("duplicates and delays are chances; give numbers from 0 to 1.")
        if self.most_copies < 1 or self.longest_delay < 1:
            raise ValueError("most_copies and longest_delay are counts; give numbers of 1 or more.")

    @property
    def window(self) -> int:
        """How many messages must be looked at to find the next delivery."""
        return self.longest_delay * self.most_copies + 1

    def copies(self, topic: str, group: str, position: int) -> int:
        """Return how often a message is to be delivered, 1 or more."""
        random = self._random("copies", topic, group, position)
        copies = 1
        while copies < self.most_copies and random.random() < self.duplicates:
            copies += 1
        return copies

    def due(self, topic: str, group: str, position: int, handled: int) -> int:
        """Return the place in the order of deliveries, after so many of a message were handled."""
        random = self._random("due", topic, group, position)
        waits = [self._delay(random) for _ in range(handled + 1)]
        return position + sum(waits)

    def _delay(self, random: Random) -> int:
        held_back, by = random.random() < self.delays, random.randint(1, self.longest_delay)
        return by if held_back else 0

    def _random(self, *what: object) -> Random:
        return Random("/".join(map(str, (self.seed, *what))))  # noqa: S311  (a fault needs no secret)
