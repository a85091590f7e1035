"""Two services that feed a page, and what a right answer of it says: the judge's side of 13.9.4.

Section:
    13.9.4
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from lab_support.exercises.s13_09.order_pages import EVENTS, SOURCES, CaughtUp, OrderStatus, PaymentStatus
from lab_support.exercises.story import Story
from lab_support.messaging import encode

BEGIN = datetime(2031, 3, 1, 12, tzinfo=UTC)
EXACT_S = 0.001


class Feed:
    """Two sources that send, a view that hears, and what a right answer says.

    Args:
        story: The scenario.
        run: The act by which a new view hears events and answers.
    """

    def __init__(self, story: Story, run: Callable[..., Awaitable[Any]]) -> None:
        self.story, self.draw, self._run = story, story.random, run
        self.order_id = self.new_id()
        self.now = BEGIN + timedelta(
            seconds=self.draw.randint(1, 10**6), microseconds=self.draw.randint(1, 10**6)
        )
        self.known: dict[str, Any] = {"status": None, "paid": None}
        self.heard: dict[str, datetime] = {}
        self.heard_at: set[datetime] = set()
        self.row_at: dict[str, datetime] = {}
        self._steps: list[dict[str, Any]] = []

    def new_id(self) -> str:
        """Draw the id of an order or event."""
        return str(UUID(int=self.draw.getrandbits(128), version=4))

    def passes(self, seconds: float) -> None:
        """Let time pass, and a little more that nobody can foresee."""
        self.now += timedelta(seconds=seconds, microseconds=self.draw.randint(1_000, 900_000))

    def sends(
        self, payload: BaseModel, source: str, *, lag_s: float = 0.0, about: str = ""
    ) -> dict[str, Any]:
        """Have the view hear what a source has sent `lag_s` seconds ago; return the step, for a copy of it."""
        self.passes(1)
        occurred_at = self.now - timedelta(seconds=lag_s, microseconds=self.draw.randint(1_000, 90_000))
        about = about or (source if isinstance(payload, CaughtUp) else self.order_id)
        made = EVENTS.event(payload, aggregate_type=source, aggregate_id=about, event_id=UUID(self.new_id()),
                            occurred_at=occurred_at)  # fmt: skip
        if about == self.order_id:
            self.known |= payload.model_dump()
            self.row_at[source] = occurred_at
        self.heard[source] = occurred_at
        return self.hears({"event": dict(json.loads(encode(made)))})

    def hears(self, step: dict[str, Any]) -> dict[str, Any]:
        """Have the view hear an event, now."""
        self._steps.append({**step, "at": self.now.isoformat()})
        self.heard_at.add(self.now)
        return step

    def both_are_told(self, *, lag_s: float = 0.0) -> None:
        """Have both sources tell of the order, and then of another one, so that the row is older than the news."""
        status, paid = self.draw.choice(["PAID", "PACKED", "SHIPPED"]), self.draw.choice([True, False])
        for source, payload in (
            (SOURCES[0], OrderStatus(status=status)),
            (SOURCES[1], PaymentStatus(paid=paid)),
        ):
            self.sends(payload, source, lag_s=lag_s)
        self.others_are_told(lag_s=lag_s)

    def others_are_told(self, *, lag_s: float = 0.0, sources: tuple[str, ...] = SOURCES) -> None:
        """Have sources tell of another order."""
        for source in sources:
            payload = OrderStatus(status="PAID") if source == SOURCES[0] else PaymentStatus(paid=True)
            self.sends(payload, source, lag_s=lag_s, about=self.new_id())

    async def asked(self, call: str, *, after_s: float) -> None:
        """Ask a new view for the order `after_s` seconds later, and expect the right answer."""
        self.passes(after_s)
        steps = [*self._steps, {"order_id": self.order_id, "at": self.now.isoformat()}]
        self._steps = []  # the next view finds what this one has stored
        (page,) = (await self.story.ask(self._run, call=f"{call}; then find(…)", steps=steps)).value
        as_of = min(self.heard.values()) if len(self.heard) == len(SOURCES) else None
        found = _moment(page["as_of"])
        self._note(found, as_of)
        shown = {name: page[name] for name in ("order_id", *self.known)}
        self.story.equal(shown, {"order_id": self.order_id, **self.known}, "The page says something else.")
        self.story.expect(found == as_of, "`as_of` is another moment than that up to which all has been heard.",
                          expected=as_of, observed=page["as_of"])  # fmt: skip
        age = None if as_of is None else max(0.0, (self.now - as_of).total_seconds())
        told = page["age_s"]
        right = told is None if age is None else abs(float(told) - age) < EXACT_S
        self.story.expect(right, "`age_s` is not the time since `as_of`.", expected=age, observed=told)

    def _note(self, found: Any, wanted: datetime | None) -> None:
        """Note whose time a wrong `as_of` is."""
        seen, wrong = self.story.seen, found is not None and found != wanted
        position = found in self.heard.values()
        self.story.saw(
            time_of_the_answer=seen.time_of_the_answer or (wrong and found == self.now),
            time_of_hearing=seen.time_of_hearing or (wrong and found in self.heard_at),
            freshest_source=seen.freshest_source or (wrong and position),
            age_of_the_row=seen.age_of_the_row or (wrong and found in self.row_at.values() and not position),
        )


def _moment(told: Any) -> Any:
    try:
        return datetime.fromisoformat(told) if told is not None else None
    except (TypeError, ValueError):
        return told
