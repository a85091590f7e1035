"""Drive a running shop: a bounded stream of orders, some of which must fail, and what became of every one of them.

A fixed number of buyers order one thing after another (a closed loop), so a slow shop is asked less often; with a rate,
no order begins before its time.

Section:
    13.9, "One command, many processes"
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final
from uuid import uuid4

from lab_support.services.buying import IN_REVIEW, Buyer, ShopError, Wish

GUESTS: Final = 10
CREDIT: Final = "1000000.00"
POOR: Final = "guest-poor"
NOBODY: Final = "guest-unknown"
MOST_AT_ONCE: Final = 500
_PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPlan:
    """How much, how fast, and of what kind.

    Attributes:
        orders: Stop after so many; None: only time bounds the run.
        seconds: Begin no order after so many seconds; None: only the number bounds it.
        concurrency: So many buyers at once.
        rate: At most so many orders begin in a second; None: as fast as the shop answers.
        seed: Decides who orders what.

    Raises:
        ValueError: Nothing would bound the run, or a number makes no sense.
    """

    orders: int | None = None
    seconds: float | None = None
    concurrency: int = 8
    rate: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if self.orders is None and self.seconds is None:
            raise ValueError(
                "Say how many orders, or for how many seconds; else the traffic would never end."
            )
        if not 1 <= self.concurrency <= MOST_AT_ONCE:
            raise ValueError(f"From 1 to {MOST_AT_ONCE} buyers can order at once, not {self.concurrency}.")
        for name in ("orders", "seconds", "rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} has to be a number above 0, not {value}.")


@dataclass(slots=True)
class TrafficReport:
    """What became of the orders.

    Attributes:
        states: How many came to which end.
        unended: What became of those without an end, one sentence each.
        accepted_s: How long each took to be taken, in seconds.
        ended_s: How long each took from the first request to its end, as seen by asking, in seconds.
        seconds: How long the whole took.
    """

    states: Counter[str] = field(default_factory=Counter)
    unended: list[str] = field(default_factory=list)
    accepted_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def orders(self) -> int:
        """How many were sent."""
        return sum(self.states.values()) + len(self.unended)

    @property
    def ok(self) -> bool:
        """Whether every order has ended."""
        return not self.unended

    def as_dict(self) -> dict[str, object]:
        """The whole as data for a machine."""
        return {
            "orders": self.orders,
            "seconds": round(self.seconds, 3),
            "orders_per_s": round(self.orders / self.seconds, 2) if self.seconds else None,
            "states": dict(self.states.most_common()),
            "unended": self.unended,
            "accepted_s": percentiles(self.accepted_s),
            "ended_s": percentiles(self.ended_s),
        }


def percentiles(values: Sequence[float]) -> Mapping[str, float]:
    """Give p50, p95, p99 and the greatest of some values, by the nearest rank; nothing of none."""
    if not values:
        return {}
    ordered = sorted(values)
    ranks = {f"p{part}": ordered[max(0, -(-len(ordered) * part // 100) - 1)] for part in _PERCENTILES}
    return {name: round(value, 4) for name, value in {**ranks, "max": ordered[-1]}.items()}


def wish_of(seed: int, number: int, skus: Sequence[str]) -> Wish:
    """Draw the n-th order of a seed: six of ten on credit, three by card, and one that can't stand."""
    random = Random(f"traffic:{seed}:{number}")  # noqa: S311 - a game of chance, and no secret
    items = {sku: random.randint(1, 2) for sku in random.sample(skus, random.randint(1, min(2, len(skus))))}
    guest = f"guest-{random.randrange(GUESTS)}"
    kind = random.random()
    if kind < 0.6:
        return Wish(guest, "credit", items)
    if kind < 0.9:
        return Wish(guest, "card", items)
    return random.choice(
        (
            Wish(NOBODY, "card", items),
            Wish(POOR, "credit", items),
            Wish(guest, "card", {random.choice(list(skus)): 10_000}),
        )
    )


async def drive(
    buyer: Buyer, plan: TrafficPlan, tell: Callable[[TrafficReport], object] = lambda _report: None
) -> TrafficReport:
    """Order until the plan is fulfilled, wait for the end of every order, and report.

    Args:
        buyer: Who asks, and where.
        plan: How much.
        tell: Told of the report so far after each order.

    Raises:
        ShopError: The shop does not answer at the beginning.

    Section:
        13.9, "One command, many processes"
    """
    report, run = TrafficReport(), uuid4().hex[:12]
    skus = await buyer.sold()
    await _let_guests_in(buyer)
    begun = buyer.clock()
    numbers = _numbers(buyer, plan, begun)

    async def one_buyer() -> None:
        for number in numbers:
            if plan.rate is not None:
                await buyer.sleep(max(0.0, begun + number / plan.rate - buyer.clock()))
            await _order(buyer, wish_of(plan.seed, number, skus), f"traffic-{run}-{number}", report)
            tell(report)

    async with asyncio.TaskGroup() as group:
        for _ in range(plan.concurrency):
            group.create_task(one_buyer())
    report.seconds = buyer.clock() - begun
    return report


def _numbers(buyer: Buyer, plan: TrafficPlan, begun: float) -> Iterator[int]:
    """Number the orders, until there are enough or the time is over; shared by all buyers."""
    number = 0
    while plan.orders is None or number < plan.orders:
        at = begun if plan.rate is None else begun + number / plan.rate
        if plan.seconds is not None and max(at, buyer.clock()) - begun >= plan.seconds:
            return
        yield number
        number += 1


async def _order(buyer: Buyer, wish: Wish, key: str, report: TrafficReport) -> None:
    begun = buyer.clock()
    try:
        order_id = await buyer.place(wish, key)
        report.accepted_s.append(buyer.clock() - begun)
        status = await buyer.ended(order_id)
    except ShopError as error:
        report.unended.append(str(error))
        return
    report.states[status] += 1
    if status != IN_REVIEW:
        report.ended_s.append(buyer.clock() - begun)


async def _let_guests_in(buyer: Buyer) -> None:
    guests = {f"guest-{number}": CREDIT for number in range(GUESTS)} | {POOR: "0.00"}
    for name, credit in guests.items():
        body = {"customer_id": name, "name": name, "email": f"{name}@example.com", "credit": credit}
        answer = await buyer.ask("POST", "/customers", json=body)
        if answer.status_code not in (201, 409):
            raise ShopError(f"the customer {name} was answered {answer.status_code}.")
