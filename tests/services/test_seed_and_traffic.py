"""`lab seed` and `lab traffic`: what they make, that they end, and what they say of a shop that is ill."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from lab_support.cli.app import app as cli
from lab_support.services import running_app
from lab_support.services.buying import IN_REVIEW, Buyer, RefusedError, ShopError, SilentError, Wish
from lab_support.services.seeding import BUYERS, seed_shop
from lab_support.services.split import NAMES
from lab_support.services.traffic import TrafficPlan, drive, percentiles
from lab_support.services.traffic import wish_of as traffic_wish
from lab_support.settings import Settings

LAMP = Wish("ada", "credit", {"LAMP-7": 1})
SKUS = ["DESK-1", "LAMP-7", "MUG-2"]


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data=tmp_path_factory.mktemp("shop"))
    async with running_app(settings, only=NAMES) as client:
        yield client


class Clock:
    """A clock that moves on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> tuple[Buyer, Clock]:
    """A buyer at a shop that answers as the function says, with a clock that nobody waits for."""
    clock = Clock()
    client = httpx.AsyncClient(base_url="http://shop", transport=httpx.MockTransport(answer))
    return Buyer(client=client, patience_s=10.0, sleep=clock.sleep, clock=clock), clock


async def whole(client: httpx.AsyncClient, buyer: str) -> list[Any]:
    page = (await client.get("/orders", params={"customer_id": buyer, "limit": 100})).json()
    return [(one["pay_by"], one["total"], one["status"]) for one in page["items"]]


# --- seed


async def test_seed_makes_what_was_asked_for_and_every_order_stands(client: httpx.AsyncClient) -> None:
    """Stock and credit are enough for all, so each order is approved or confirmed."""
    done = await seed_shop(Buyer(client=client), orders=20, seed=1)

    assert (done.customers, done.placed, done.found) == (BUYERS, 20, 0)
    assert set(done.states) <= {"APPROVED", "CONFIRMED"}


async def test_seed_twice_adds_nothing(client: httpx.AsyncClient) -> None:
    """A run for what is there finds it, and a run for more adds the difference."""
    first = await seed_shop(Buyer(client=client), orders=10, seed=2)
    again = await seed_shop(Buyer(client=client), orders=10, seed=2)
    more = await seed_shop(Buyer(client=client), orders=16, seed=2)

    assert (first.placed, again.placed, again.found, again.customers, again.products) == (10, 0, 10, 0, 0)
    assert (more.placed, more.found) == (6, 10)


async def test_same_seed_makes_the_same_orders_in_another_shop(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Buyer by buyer, at the same prices; another seed makes others."""
    async with running_app(Settings(data=tmp_path), only=NAMES) as other:
        for shop in (client, other):
            await seed_shop(Buyer(client=shop), orders=22, seed=3)
        for number in (0, 1, 19):
            here, there = [await whole(shop, f"seed-3-buyer-{number:02}") for shop in (client, other)]
            assert here == there
            assert here


@pytest.mark.parametrize(("orders", "seed"), [(-1, 1), (10**9, 1), (1, -1)])
async def test_seed_that_makes_no_sense_is_refused(orders: int, seed: int) -> None:
    """Before anything is asked."""
    with pytest.raises(ValueError, match="not negative"):
        await seed_shop(Buyer(client=httpx.AsyncClient()), orders=orders, seed=seed)


# --- traffic


async def test_traffic_ends_every_order_and_some_fail_as_meant(client: httpx.AsyncClient) -> None:
    """A good end for most, and one of the failures for those that can't stand."""
    report = await drive(Buyer(client=client), TrafficPlan(orders=24, concurrency=6, seed=1))

    assert report.ok
    assert report.orders == len(report.accepted_s) == 24
    assert any(state.startswith("FAILED") for state in report.states)
    assert {"APPROVED", "CONFIRMED"} & set(report.states)


async def test_traffic_of_one_seed_may_run_twice(client: httpx.AsyncClient) -> None:
    """Each run is new orders, and no repetition of the first."""
    for _ in range(2):
        report = await drive(Buyer(client=client), TrafficPlan(orders=5, seed=9))
        assert (report.ok, report.orders) == (True, 5)


async def test_traffic_stops_when_its_time_is_over() -> None:
    """By the clock, no order begins after so many seconds; with a rate, none before its time."""
    begun: list[float] = []

    def shop(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/prices":
            return httpx.Response(200, json=[{"sku": "LAMP-7"}])
        if request.method == "POST" and request.url.path == "/orders":
            begun.append(clock.now)
            return httpx.Response(202, json={"order_id": "1"})
        return httpx.Response(409 if request.url.path == "/customers" else 200, json={"status": "APPROVED"})

    buyer, clock = answering(shop)
    report = await drive(buyer, TrafficPlan(seconds=2.0, rate=10.0, concurrency=1))

    assert report.orders == 20
    assert begun == pytest.approx([number / 10 for number in range(20)])


def test_seed_decides_about_traffic() -> None:
    """The n-th order of a seed is always the same, and each kind comes in its share."""
    wishes = [traffic_wish(1, number, SKUS) for number in range(1000)]

    assert wishes == [traffic_wish(1, number, SKUS) for number in range(1000)]
    assert wishes != [traffic_wish(2, number, SKUS) for number in range(1000)]
    hopeless = [
        one
        for one in wishes
        if one.customer_id in ("guest-poor", "guest-unknown") or 10_000 in one.items.values()
    ]
    assert 60 < len(hopeless) < 150


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"orders": 0},
        {"orders": 5, "concurrency": 0},
        {"orders": 5, "rate": 0.0},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
    ],
)
def test_traffic_without_an_end_is_refused(numbers: dict[str, Any]) -> None:
    """Nothing that would run for ever, or not at all, is a plan."""
    with pytest.raises(ValueError, match=r"."):
        TrafficPlan(**numbers)


def test_percentiles_are_the_nearest_ranks() -> None:
    """Of a hundred values the 95th is p95; of one value all are that value."""
    assert percentiles([n / 1 for n in range(1, 101)]) == {
        "p50": 50.0,
        "p95": 95.0,
        "p99": 99.0,
        "max": 100.0,
    }
    assert set(percentiles([0.5]).values()) == {0.5}
    assert percentiles([]) == {}


# --- the buyer


async def test_order_is_sent_again_with_its_key_until_it_is_taken() -> None:
    """A broken connection, 502, 503 and 504 mean: the same again."""
    keys: list[str] = []

    def shop(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("cut", request=request)
        statuses = {2: 503, 3: 502, 4: 504}
        return httpx.Response(statuses.get(len(keys), 202), json={"order_id": "7"})

    buyer, _ = answering(shop)

    assert await buyer.place(LAMP, "my-key") == "7"
    assert keys == ["my-key"] * 5


async def test_refusal_is_not_repeated() -> None:
    """What is wrong with an order is told in the shop's own words, at once."""
    asked: list[str] = []

    def shop(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404, json={"detail": "There is no SHOE-1."})

    with pytest.raises(RefusedError, match=r"404: There is no SHOE-1\."):
        await answering(shop)[0].place(LAMP, "k")
    assert len(asked) == 1


async def test_patience_has_an_end() -> None:
    """A shop that never answers is given up, and what it said last is told."""
    buyer, clock = answering(lambda _request: httpx.Response(503, json={"detail": "Closed."}))

    with pytest.raises(SilentError, match=r"503: Closed\."):
        await buyer.place(LAMP, "k")
    assert 10.0 < clock.now < 12.0


@pytest.mark.parametrize(("reviewed", "expected"), [("7", IN_REVIEW), ("8", None)])
async def test_order_that_waits_is_in_review_or_has_no_end(reviewed: str, expected: str | None) -> None:
    """A person was asked about it; else it is stuck, and that is an error."""

    def shop(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/orders/reviews":
            return httpx.Response(200, json=[{"order_id": reviewed}])
        return httpx.Response(200, json={"status": "PENDING"})

    buyer, _ = answering(shop)
    if expected:
        assert await buyer.ended("7") == expected
    else:
        with pytest.raises(SilentError, match="still PENDING"):
            await buyer.ended("7")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"a": 1}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json=[1]),
    ],
    ids=["nothing here", "a web site", "another service", "nothing sold", "garbage"],
)
async def test_address_of_something_else_is_told(answer: httpx.Response) -> None:
    """Whatever answers there, one sentence says that it is no shop to order from."""
    with pytest.raises(ShopError):
        await answering(lambda _request: answer)[0].sold()


# --- the verbs


@pytest.mark.parametrize("verb", ["seed", "traffic"])
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9", "gopher://127.0.0.1", "http://[", "not an address"]
)
def test_address_without_a_shop_is_one_line(verb: str, address: str) -> None:
    """Nobody there, another protocol, no address at all: one line, exit status 1."""
    result = CliRunner().invoke(cli, [verb, "--at", address])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("lab: ")
    assert result.stderr.count("\n") == 1


def test_verbs_say_what_they_have_done(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts by state, percentiles, and the same as JSON; status 1 as soon as one order has no end."""

    def shop(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/prices":
            return httpx.Response(200, json=[{"sku": "LAMP-7"}])
        if request.url.path == "/orders" and request.method == "POST":
            return httpx.Response(202, json={"order_id": "7"})
        if request.url.path == "/orders":
            return httpx.Response(200, json={"items": [], "next": None})
        if request.url.path.startswith("/inventory"):
            return httpx.Response(200, json={"available": 9999, "discontinued": False})
        return httpx.Response(201 if request.method == "POST" else 200, json={"status": status[0]})

    status = ["APPROVED"]
    real = httpx.AsyncClient
    monkeypatch.setattr(
        httpx, "AsyncClient", lambda **how: real(base_url="http://shop", transport=httpx.MockTransport(shop))
    )
    run = CliRunner().invoke

    assert "0 order(s) were there" in run(cli, ["seed", "--orders", "3"]).stdout
    told = run(cli, ["traffic", "--orders", "3"])
    assert (told.exit_code, "3 APPROVED" in told.stdout, "p95" in told.stdout) == (0, True, True)
    as_json = json.loads(run(cli, ["traffic", "--orders", "3", "--json"]).stdout)
    assert (as_json["orders"], as_json["states"], as_json["unended"]) == (3, {"APPROVED": 3}, [])
    status[0] = "PENDING"
    stuck = run(cli, ["traffic", "--orders", "1", "--patience", "0.1"])
    assert stuck.exit_code == 1
