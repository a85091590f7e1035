"""Fill a running shop over HTTP, so that every event flows: buyers, stock, and orders drawn from a seed.

The same seed makes the same buyers and orders. What is there already is not made again: a second run adds nothing, and
a run for more orders adds the difference.

Section:
    13.9, "One command, many processes"
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from lab_support.services.buying import Buyer, RefusedError, ShopError, Wish

BUYERS: Final = 20
CREDIT: Final = "100000.00"
MOST_ORDERS: Final = 1_000_000
_MOST_LINES: Final = 3
_MOST_PIECES: Final = 3
_PAGE: Final = 100

Progress = Callable[[int, int | None], object]


@dataclass(slots=True)
class Seeded:
    """What a run has made, and what was there.

    Attributes:
        customers: New ones.
        products: Those whose stock was raised.
        placed: Orders it has placed.
        found: Orders of this seed that were there already.
        states: Of the orders it has placed, how many came to which end.
    """

    customers: int = 0
    products: int = 0
    placed: int = 0
    found: int = 0
    states: Counter[str] = field(default_factory=Counter)


def wish_of(seed: int, number: int, skus: Sequence[str]) -> Wish:
    """Draw the n-th order of a seed; it is the same however many there are."""
    random = Random(f"{seed}:{number}")  # noqa: S311 - a game of chance, and no secret
    chosen = random.sample(skus, random.randint(1, min(_MOST_LINES, len(skus))))
    items = {sku: random.randint(1, _MOST_PIECES) for sku in sorted(chosen)}
    return Wish(buyer_of(seed, number % BUYERS), "card" if random.random() < 0.3 else "credit", items)


def buyer_of(seed: int, number: int) -> str:
    """Name the n-th buyer of a seed."""
    return f"seed-{seed}-buyer-{number:02}"


async def seed_shop(
    buyer: Buyer, *, orders: int, seed: int = 1, tell: Progress = lambda _done, _of: None
) -> Seeded:
    """Make buyers, stock for all their orders, and the orders; wait until each has ended.

    Nothing else should order meanwhile: stock that is raised while it is sold is set to what it was.

    Args:
        buyer: Who asks, and where.
        orders: How many orders of this seed there shall be.
        seed: Decides who orders what.
        tell: Told how many orders are done, and of how many.

    Raises:
        ValueError: The numbers make no sense.
        ShopError: The shop does not answer, or does not take what it is sent.

    Section:
        13.9, "One command, many processes"
    """
    if not 0 <= orders <= MOST_ORDERS or seed < 0:
        raise ValueError(f"A seed is not negative, and orders are from 0 to {MOST_ORDERS:,}.")
    done = Seeded()
    skus = await buyer.sold()
    wishes = [wish_of(seed, number, skus) for number in range(orders)]
    lacking = await _lacking(buyer, seed, orders, done)
    await _raise_stock(buyer, [wishes[each] for mine in lacking for each in mine], done)
    tell(done.found, orders)

    async def order(mine: Sequence[int]) -> None:
        for each in mine:
            order_id = await buyer.place(wishes[each], f"seed-{seed}-{each}")
            done.states[await buyer.ended(order_id)] += 1
            done.placed += 1
            tell(done.found + done.placed, orders)

    try:
        async with asyncio.TaskGroup() as group:
            for mine in lacking:
                group.create_task(order(mine))
    except* ShopError as errors:
        raise errors.exceptions[0] from None
    return done


async def _lacking(buyer: Buyer, seed: int, orders: int, done: Seeded) -> list[Sequence[int]]:
    """Make the buyers, and list for each the numbers of the orders that are not there yet, in their order."""
    lacking: list[Sequence[int]] = []
    for number in range(BUYERS):
        await _make_customer(buyer, seed, number, done)
        mine = range(number, orders, BUYERS)
        there = min(await _orders_of(buyer, buyer_of(seed, number)), len(mine))
        done.found += there
        lacking.append(mine[there:])
    return lacking


async def _make_customer(buyer: Buyer, seed: int, number: int, done: Seeded) -> None:
    name = buyer_of(seed, number)
    body = {
        "customer_id": name,
        "name": f"Buyer {number} of seed {seed}",
        "email": f"{name}@example.com",
        "credit": CREDIT,
    }
    answer = await buyer.ask("POST", "/customers", json=body)
    if answer.status_code not in (201, 409):
        raise RefusedError(f"the customer {name} was answered {answer.status_code}.")
    done.customers += answer.status_code == 201


async def _orders_of(buyer: Buyer, customer_id: str) -> int:
    """Count a buyer's orders; keys are forgotten after a while, orders are not."""
    count, after = 0, None
    while True:
        query = {"customer_id": customer_id, "limit": str(_PAGE), **({"after": after} if after else {})}
        answer = await buyer.ask("GET", "/orders", params=query)
        if answer.status_code != 200:
            raise RefusedError(f"the orders of {customer_id} were answered {answer.status_code}.")
        page = answer.json()
        count, after = count + len(page["items"]), page["next"]
        if after is None:
            return count


async def _raise_stock(buyer: Buyer, wishes: Sequence[Wish], done: Seeded) -> None:
    """See that there are pieces for all these orders."""
    needed: Counter[str] = Counter()
    for one in wishes:
        needed.update(one.items)
    for sku, pieces in sorted(needed.items()):
        answer = await buyer.ask("GET", f"/inventory/stock/{sku}")
        there = answer.json() if answer.status_code == 200 else {"available": 0, "discontinued": False}
        if there["discontinued"] or there["available"] >= pieces:
            continue
        answer = await buyer.ask("PUT", f"/inventory/stock/{sku}", json={"available": pieces})
        if answer.status_code not in (200, 201):
            raise RefusedError(f"the stock of {sku} was answered {answer.status_code}.")
        done.products += 1
