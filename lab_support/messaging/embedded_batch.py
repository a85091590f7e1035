"""Some messages on their way to one group: which comes next, and what became of each.

Section:
    13.5, "A bus that misbehaves on purpose"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab_support.messaging.delivery_faults import DeliveryFaults


@dataclass(slots=True)
class Delivery:
    """One message on its way to one group.

    Attributes:
        position: In the topic's log, from 1.
        body: The event as it was published.
        handled: How often a handler has returned.
        failures: How often one has raised.
        retried: It was a dead letter, and somebody asked for another try.
        done: It will not be delivered again.
        reason: Why it was given up, if it was.
    """

    position: int
    body: str
    handled: int
    failures: int
    retried: bool
    done: bool = False
    reason: str | None = None


class Batch:
    """Messages read at once, delivered one after the other, and acknowledged together.

    Args:
        topic: Where they were published.
        group: For whom they are.
        rows: The oldest that the group has not done with, in order.
        faults: What is to go wrong.
        limit: The most deliveries of this batch.

    Attributes:
        had_notes: The bus may have notes on how far some of them are.
    """

    def __init__(
        self, topic: str, group: str, rows: Sequence[Delivery], faults: DeliveryFaults | None, limit: int
    ) -> None:
        self.topic, self.group, self.rows = topic, group, rows
        self._faults, self._left = faults, limit
        self._open = list(rows)
        self._due: dict[tuple[int, int], int] = {}
        self._touched: dict[int, Delivery] = {}
        self.had_notes = faults is not None or any(row.handled or row.failures or row.retried for row in rows)

    def take(self, most: int) -> list[Delivery]:
        """Return what is delivered next, at most so many messages; an empty list at the end of the batch."""
        most = min(most, self._left)
        taken = self._open[:most] if self._faults is None else self._most_due(most)
        self._left -= len(taken)
        return taken

    def handled(self, delivery: Delivery) -> None:
        """Note that the handler returned; it may still be due for another copy."""
        delivery.handled += 1
        copies = self._faults.copies(self.topic, self.group, delivery.position) if self._faults else 1
        self._note(delivery, done=delivery.handled >= copies)

    def failed(self, delivery: Delivery) -> None:
        """Note that the handler raised."""
        delivery.failures += 1
        self._note(delivery, done=False)

    def buried(self, delivery: Delivery, reason: str) -> None:
        """Note that the message is given up, and why."""
        delivery.failures, delivery.reason = delivery.failures + 1, reason
        self._note(delivery, done=True)

    @property
    def touched(self) -> list[Delivery]:
        """Those whose state has changed."""
        return list(self._touched.values())

    @property
    def passed(self) -> int | None:
        """The position up to which everything is done with; None when that has not changed."""
        passed = None
        for row in self.rows:
            if row.retried:
                continue
            if not row.done:
                break
            passed = row.position
        return passed

    def _note(self, delivery: Delivery, *, done: bool) -> None:
        delivery.done = done
        self._touched[delivery.position] = delivery
        if done:
            self._open.remove(delivery)

    def _most_due(self, most: int) -> list[Delivery]:
        assert self._faults is not None  # noqa: S101
        window = self._open[: self._faults.window]
        return sorted(window, key=lambda one: (self._due_at(one), one.position))[:most]

    def _due_at(self, one: Delivery) -> int:
        assert self._faults is not None  # noqa: S101
        key = (one.position, one.handled)
        if key not in self._due:
            self._due[key] = self._faults.due(self.topic, self.group, *key)
        return self._due[key]
