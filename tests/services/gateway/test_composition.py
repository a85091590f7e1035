"""API composition: what is asked when, and what becomes of the answer when a service does not behave."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from lab_support.pools.deadlines import DEADLINE_HEADER
from lab_support.services.gateway.circuit import State
from lab_support.services.gateway.composing import About, Composer
from lab_support.services.gateway.dtos import OrderView
from lab_support.services.gateway.errors import (
    GatewayError,
    OrdersTooSlowError,
    OrdersUnavailableError,
    OrderUnknownError,
)
from tests.services.gateway import neighbourhood as around
from tests.services.gateway.neighbourhood import GUARD_S, ORDER, PARTS, SKUS, Answer, Shop, well

ABOUT = About("ada", frozenset(SKUS))


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    yield shop
    await shop.neighbours.close()


async def known(_order_id: UUID) -> About:
    return ABOUT


def composer(shop: Shop, **more: Any) -> Composer:
    return Composer(neighbours=shop.neighbours, **more)


async def compose(shop: Shop, within_s: float = GUARD_S, **more: Any) -> OrderView:
    async with asyncio.timeout(GUARD_S):
        return await composer(shop, **more).order(ORDER, within_s=within_s)


def together(number: int) -> Answer:
    """Answer only when so many calls are under way."""
    barrier = asyncio.Barrier(number)

    async def answer(request: httpx.Request) -> httpx.Response:
        await barrier.wait()
        return await well(request)

    return answer


# --- when what is asked


async def test_everything_is_there_when_everybody_answers(shop: Shop) -> None:
    """Each service's part, in its place, and nothing missing."""
    view = await compose(shop)

    assert view.missing == []
    assert view.order.order_id == ORDER
    assert view.customer is not None
    assert view.customer.name == "Ada"
    assert view.payment is not None
    assert view.payment.status == "CHARGED"
    assert view.reservation is not None
    assert view.reservation.status == "RESERVED"
    assert [one.sku for one in view.stock or []] == sorted(SKUS)
    assert [one.sku for one in view.products or []] == sorted(SKUS)


async def test_all_calls_are_under_way_before_any_is_answered(shop: Shop) -> None:
    """Six calls wait for each other, and none waits for ever: they take as long as the slowest, not as all."""
    paths = [f"/orders/{ORDER}", *(path for _service, path in PARTS.values())]
    shop.answers = dict.fromkeys(paths, together(len(paths)))

    view = await compose(shop, hint=known)

    assert view.missing == []
    assert len(shop.asked) == len(paths)


async def test_without_a_hint_two_rounds_are_enough(shop: Shop) -> None:
    """First what needs the order's id alone, then what needs its buyer and its products."""
    first, second = together(3), together(3)
    shop.answers = {f"/orders/{ORDER}": first, "/payments": first, "/inventory/reservations": first}
    shop.answers |= {"/customers/ada": second, "/inventory/stock": second, "/catalog/products": second}

    assert (await compose(shop)).missing == []


async def test_wrong_hint_is_overruled_by_orders(shop: Shop) -> None:
    """A read model that was tampered with costs calls, and shows nobody another's data."""

    async def wrong(_order_id: UUID) -> About:
        return About("bob", frozenset({"DESK-1"}))

    view = await compose(shop, hint=wrong)

    assert view.customer is not None
    assert view.customer.customer_id == "ada"
    assert [one.sku for one in view.stock or []] == sorted(SKUS)
    assert view.missing == []


async def test_hint_that_fails_or_hangs_costs_nothing(shop: Shop) -> None:
    """The gateway's own database may be away: the composition does not need it."""

    async def fails(_order_id: UUID) -> About:
        raise RuntimeError("no database")

    async def hangs(_order_id: UUID) -> About:
        await asyncio.Event().wait()
        raise AssertionError

    assert (await compose(shop, hint=fails)).missing == []
    assert (await compose(shop, hint=hangs)).missing == []


async def test_order_on_credit_has_no_payment_and_waits_for_none(shop: Shop) -> None:
    """Payments hangs, and nobody notices: there is nothing to be told."""
    shop.answers["/payments"] = around.hang
    shop.answers[f"/orders/{ORDER}"] = lambda _: _said(around.order(pay_by="credit"))

    view = await compose(shop)

    assert view.payment is None
    assert view.missing == []


async def _said(content: Any) -> httpx.Response:
    return around.says(content)


async def test_each_call_is_told_the_time_that_is_left(shop: Shop) -> None:
    """In whole milliseconds, above 0 and never more than there is; and nobody may pack the answer."""
    await compose(shop, within_s=5.0)

    told = [int(request.headers[DEADLINE_HEADER]) for request in shop.asked]
    assert len(told) == 6
    assert all(0 < one <= 5000 for one in told)
    assert {request.headers["Accept-Encoding"] for request in shop.asked} == {"identity"}


# --- who does not behave


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (around.nobody, "unreachable"),
        (around.late, "too-slow"),
        (around.gave_up, "too-slow"),
        (around.broken, "failed"),
        (around.busy, "failed"),
        (around.unknown, "not-found"),
        (around.redirect, "garbage"),
        (around.refusal, "garbage"),
        (around.web_page, "garbage"),
        (around.other_shape, "garbage"),
        (around.abyss, "garbage"),
        (around.no_text, "garbage"),
        (around.packed, "garbage"),
        (around.endless, "garbage"),
        (around.surprise, "garbage"),
    ],
)
async def test_bad_answer_costs_its_own_part_alone(
    shop: Shop, part: str, answer: Answer, reason: str
) -> None:
    """The part is null and named with the reason; the others are there."""
    service, path = PARTS[part]
    shop.answers[path] = answer

    view = await compose(shop)

    assert [(one.part, one.service, one.reason) for one in view.missing] == [(part, service, reason)]
    assert getattr(view, part) is None
    assert all(getattr(view, other) is not None for other in PARTS if other != part)


@pytest.mark.parametrize("part", PARTS)
async def test_service_that_hangs_is_left_out_at_the_deadline(shop: Shop, part: str) -> None:
    """The answer comes although the service never does."""
    service, path = PARTS[part]
    shop.answers[path] = around.hang

    view = await compose(shop, within_s=0.3)

    assert [(one.part, one.service, one.reason) for one in view.missing] == [(part, service, "too-slow")]


async def test_call_that_cannot_be_cancelled_is_not_waited_for(shop: Shop) -> None:
    """As a query in a thread: it goes on, and the answer is there before it has ended."""
    end = asyncio.Event()

    async def stubborn(request: httpx.Request) -> httpx.Response:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue
        return await well(request)

    shop.answers["/customers/ada"] = stubborn
    view = await compose(shop, within_s=0.2)
    end.set()

    assert [one.reason for one in view.missing] == ["too-slow"]


async def test_products_that_nobody_has_are_named(shop: Shop) -> None:
    """The rest of the list is there."""
    shop.answers["/catalog/products"] = lambda _: _said(
        {"items": [{"sku": "MUG-2", "name": "Mug", "price": "9.50"}]}
    )
    view = await compose(shop)

    assert [one.sku for one in view.products or []] == ["MUG-2"]
    assert [(one.part, one.reason, one.of) for one in view.missing] == [("products", "not-found", ["LAMP-7"])]


async def test_answer_about_somebody_else_is_garbage(shop: Shop) -> None:
    """A service that mixes its callers up must not show one customer to another."""
    shop.answers["/customers/ada"] = lambda _: _said(
        {"customer_id": "bob", "name": "Bob", "credit": "1.00", "reserved": "0.00", "blocked": False}
    )
    view = await compose(shop)

    assert view.customer is None
    assert [one.reason for one in view.missing] == ["garbage"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (around.unknown, OrderUnknownError),
        (around.hang, OrdersTooSlowError),
        (around.late, OrdersTooSlowError),
        (around.nobody, OrdersUnavailableError),
        (around.broken, OrdersUnavailableError),
        (around.web_page, OrdersUnavailableError),
        (around.endless, OrdersUnavailableError),
        (lambda _: _said(around.order(uuid4())), OrdersUnavailableError),
    ],
)
async def test_without_the_order_there_is_no_answer(
    shop: Shop, answer: Answer, error: type[GatewayError]
) -> None:
    """Parts of an order that is not there would say nothing."""
    shop.answers[f"/orders/{ORDER}"] = answer

    with pytest.raises(error):
        await compose(shop, within_s=0.3 if answer is around.hang else GUARD_S)


# --- the circuit


async def test_service_that_fails_again_and_again_is_not_asked_any_more(shop: Shop) -> None:
    """After five failures its part is missing at once, and the service is left alone."""
    shop.answers["/customers/ada"] = around.broken
    reasons = [(await compose(shop)).missing[0].reason for _ in range(7)]

    assert reasons == ["failed"] * 5 + ["circuit-open"] * 2
    assert shop.calls["customers"] == 5
    assert shop.neighbours.customers.circuit.state is State.OPEN


async def test_caller_in_a_hurry_opens_no_circuit(shop: Shop) -> None:
    """Who gives a service no time can't make it unavailable for everybody else."""
    shop.answers["/customers/ada"] = around.hang
    for _ in range(7):
        await compose(shop, within_s=0.02)

    assert shop.neighbours.customers.circuit.state is State.CLOSED
    assert shop.neighbours.customers.circuit.failed_in_a_row == 0


async def test_not_found_is_no_failure(shop: Shop) -> None:
    """A service that says so is well."""
    shop.answers["/customers/ada"] = around.unknown
    for _ in range(7):
        await compose(shop)

    assert shop.neighbours.customers.circuit.failed_in_a_row == 0


async def test_caller_who_goes_away_ends_the_calls_and_blames_nobody(shop: Shop) -> None:
    """A request that was cancelled leaves no task behind."""
    started = asyncio.Event()

    async def begin_and_hang(request: httpx.Request) -> httpx.Response:
        started.set()
        return await around.hang(request)

    before = asyncio.all_tasks()
    shop.answers[f"/orders/{ORDER}"] = begin_and_hang
    composing = asyncio.create_task(composer(shop).order(ORDER, within_s=GUARD_S))
    await started.wait()
    composing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await composing
    await shop.neighbours.orders.close()

    assert asyncio.all_tasks() == before
    assert shop.neighbours.orders.circuit.failed_in_a_row == 0


# --- pages


def orders(number: int, lines: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """Give so many orders, each of products of its own."""
    return [
        around.order(
            UUID(int=count + 1),
            lines=[
                {"sku": f"SKU-{count}-{line}", "quantity": 1, "unit_price": "1.00"} for line in range(lines)
            ],
            **changes,
        )
        for count in range(number)
    ]


async def listed(shop: Shop, items: list[dict[str, Any]], limit: int = 50) -> Any:
    shop.answers["/orders"] = lambda _: _said({"items": items, "next": None})
    async with asyncio.timeout(GUARD_S):
        return await composer(shop).orders_of("ada", after=None, limit=limit, within_s=GUARD_S)


@pytest.mark.parametrize("number", [1, 50])
async def test_page_costs_five_calls_however_many_orders_are_on_it(shop: Shop, number: int) -> None:
    """No N+1: one call for each kind of thing."""
    page = await listed(shop, orders(number))

    assert len(page.items) == number
    assert page.missing == []
    assert shop.calls == {"orders": 1, "customers": 1, "payments": 1, "inventory": 1, "catalog": 1}


async def test_many_products_are_asked_for_by_the_hundred(shop: Shop) -> None:
    """250 products are three calls, and each names a hundred at most."""
    page = await listed(shop, orders(50, lines=5))

    assert len(page.products) == 250
    assert shop.calls["catalog"] == 3
    asked = [len(one.url.params.get_list("sku")) for one in shop.asked if one.url.host == "catalog"]
    assert max(asked) <= 100


async def test_page_without_orders_asks_no_further(shop: Shop) -> None:
    """Nothing is asked about nothing."""
    page = await listed(shop, [])

    assert page.items == []
    assert shop.calls == {"orders": 1, "customers": 1}


async def test_payments_are_asked_for_orders_by_card_alone(shop: Shop) -> None:
    """Orders on credit have none."""
    page = await listed(shop, orders(3, pay_by="credit"))

    assert shop.calls["payments"] == 0
    assert page.missing == []


async def test_page_is_partial_when_a_service_is_away(shop: Shop) -> None:
    """The orders are there without their payments, and the answer says so once."""
    shop.answers["/payments"] = around.nobody
    page = await listed(shop, orders(3))

    assert [row.payment for row in page.items] == [None] * 3
    assert [(one.part, one.reason) for one in page.missing] == [("payment", "unreachable")]


async def test_orders_that_were_not_asked_for_are_refused(shop: Shop) -> None:
    """More than the limit, or another's."""
    with pytest.raises(OrdersUnavailableError, match="garbage"):
        await listed(shop, orders(3), limit=2)
    with pytest.raises(OrdersUnavailableError, match="garbage"):
        await listed(shop, orders(1, customer_id="bob"))
