"""A load test: what it counts, what it says of a pool's size, and how that is drawn."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lab_support.database import Backend, build_engine
from lab_support.database.slow_queries import slow_query
from lab_support.pools import PoolSettings
from lab_support.pools.load import LoadResult, NoAnswerError, run_load, sweep
from lab_support.pools.sizing import ModelServer, knee, little_size, spindle_size
from lab_support.pools.virtual_time import in_virtual_time
from lab_support.workbook.load_picture import load_picture

SERVER = ModelServer(slots=4, service_s=0.010)
SIZES = (1, 2, 4, 8, 16, 32)


async def swept(server: ModelServer = SERVER, users: int = 32) -> dict[int, LoadResult]:
    async def work() -> dict[int, LoadResult]:
        found = sweep(SIZES, server.pool_of, users=users, measured=500, warm_up=100)
        return {size: result async for size, result in found}

    return await in_virtual_time(work)


async def test_throughput_of_a_small_pool_is_its_size_over_the_service_time() -> None:
    """Two connections of 10 ms each serve 200 requests in a second, however many users wait."""
    results = await swept()

    assert results[1].throughput_per_s == pytest.approx(100, rel=0.02)
    assert results[2].throughput_per_s == pytest.approx(200, rel=0.02)
    assert results[4].throughput_per_s == pytest.approx(400, rel=0.02)


async def test_pool_beyond_the_knee_serves_fewer_and_slower() -> None:
    """What waits in the server is in its own way; what waits in the pool is not."""
    results = await swept()

    assert knee(results) == SERVER.slots
    assert results[32].throughput_per_s < 0.8 * results[4].throughput_per_s
    assert results[32].p95_s > 1.2 * results[4].p95_s


async def test_same_load_gives_the_same_result_twice() -> None:
    """Virtual time has no noise."""
    assert await swept() == await swept()


async def test_littles_law_finds_the_users_again() -> None:
    """In a closed loop all users are on their way all the time: L = λ * W."""
    for result in (await swept()).values():
        assert result.in_flight == pytest.approx(result.users, rel=0.1)


async def test_warm_up_is_not_counted() -> None:
    """The slow first requests are left out of the percentiles and out of the window."""

    async def work() -> LoadResult:
        sent = 0

        async def request() -> None:
            nonlocal sent
            sent += 1
            await asyncio.sleep(5.0 if sent <= 3 else 0.01)

        return await run_load(request, users=1, warm_up=3, measured=50)

    result = await in_virtual_time(work)

    assert result.requests == 50
    assert result.p99_s == pytest.approx(0.01, rel=0.02)
    assert result.seconds == pytest.approx(0.5, rel=0.01)


async def test_percentiles_are_right_to_one_part_in_a_hundred() -> None:
    """Answers of 1, 2, … 1,000 ms."""

    async def work() -> LoadResult:
        waits = iter(range(1, 1001))

        async def request() -> None:
            await asyncio.sleep(next(waits) / 1000)

        return await run_load(request, users=1, measured=1000, limit_s=1e4)

    result = await in_virtual_time(work)

    assert (result.p50_s, result.p95_s, result.p99_s) == pytest.approx((0.5, 0.95, 0.99), rel=0.02)
    assert result.mean_s == pytest.approx(0.5005)


async def test_failures_are_counted_apart() -> None:
    """A refused request is no fast answer."""

    async def work() -> LoadResult:
        sent = 0

        async def request() -> None:
            nonlocal sent
            sent += 1
            if sent % 2:
                raise ConnectionError
            await asyncio.sleep(1)

        return await run_load(request, users=1, measured=100)

    result = await in_virtual_time(work)

    assert (result.requests, result.errors) == (50, 50)
    assert result.p50_s == pytest.approx(1, rel=0.02)


async def test_nothing_but_failures_is_no_result() -> None:
    """The first failure is told, for it is what has to be mended."""

    async def request() -> None:
        raise ConnectionError("refused")

    with pytest.raises(NoAnswerError, match="None of 10 requests") as caught:
        await run_load(request, users=2, measured=10)

    assert isinstance(caught.value.__cause__, ConnectionError)


async def test_load_ends_at_its_time_limit() -> None:
    """A request that never comes back stops nobody for ever."""

    async def work() -> LoadResult:
        sent = 0

        async def request() -> None:
            nonlocal sent
            sent += 1
            await asyncio.sleep(1 if sent <= 5 else 1e6)

        return await run_load(request, users=1, measured=100, limit_s=20)

    assert (await in_virtual_time(work)).requests == 5


async def test_warm_up_that_does_not_end_is_no_result() -> None:
    """There is nothing to be measured yet."""

    async def work() -> LoadResult:
        return await run_load(lambda: asyncio.sleep(1e6), users=1, warm_up=1, measured=1, limit_s=1)

    with pytest.raises(NoAnswerError, match="the warm-up was not over"):
        await in_virtual_time(work)


async def test_virtual_time_says_when_nothing_can_happen_any_more() -> None:
    """A deadlock would otherwise hang the reader's notebook."""

    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="no timer runs"):
        await in_virtual_time(work)


@pytest.mark.parametrize(
    "numbers",
    [{"users": 0}, {"measured": 0}, {"warm_up": -1}, {"limit_s": 0}, {"limit_s": float("nan")}],
)
async def test_numbers_out_of_range_are_refused(numbers: dict[str, Any]) -> None:
    """Nothing is sent."""
    with pytest.raises(ValueError, match="; give a number of"):
        await run_load(lambda: asyncio.sleep(0), **{"users": 1, "measured": 1, **numbers})


@pytest.mark.parametrize("backend", ["postgresql"])
async def test_real_pool_of_four_serves_more_than_one_connection(backend: Backend, database_url: str) -> None:
    """The same test through a real pool: four connections wait for the server side by side."""

    @asynccontextmanager
    async def pool_of(size: int) -> AsyncIterator[Callable[[], Awaitable[object]]]:
        engine = build_engine(database_url, pool=PoolSettings(size=size, max_overflow=0))
        query = slow_query(engine, 0.02)

        async def request() -> None:
            async with engine.connect() as connection:
                await connection.execute(query)

        yield request
        await engine.dispose()

    found = sweep((1, 4), pool_of, users=8, measured=40, warm_up=8)
    results = {size: result async for size, result in found}

    assert results[4].throughput_per_s > 2 * results[1].throughput_per_s
    assert results[4].p95_s < results[1].p95_s
    assert {result.errors for result in results.values()} == {0}


def test_rules_of_thumb_are_what_they_are_called() -> None:
    """`cores * 2 + spindles`, and λ * W rounded up."""
    assert spindle_size(cores=4) == 9
    assert spindle_size(cores=2, spindles=0) == 4
    assert little_size(400, 0.010) == 4
    assert little_size(401, 0.010) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: spindle_size(0),
        lambda: little_size(0, 1),
        lambda: little_size(1, float("nan")),
        lambda: knee({}),
        lambda: ModelServer(slots=0, service_s=1),
        lambda: ModelServer(slots=1, service_s=float("nan")),
    ],
)
def test_nonsense_is_refused(wrong: Callable[[], object]) -> None:
    """One line each."""
    with pytest.raises(ValueError, match=r"give|serves nobody|needs at least"):
        wrong()


async def test_picture_is_an_image_that_says_its_result() -> None:
    """It is well-formed, has no colour of its own, and shows names as text."""
    results = await swept()
    drawn = load_picture(results, {"Little's <law>": 4, "cores * 2 + spindles": 9})

    root = ET.fromstring(drawn)  # noqa: S314  (our own)
    said = "".join(root.itertext())
    assert "Throughput is best with 4 connections, at 400 requests" in root.attrib["aria-label"]
    assert "Little's <law>: 4" in said
    assert "cores * 2 + spindles: 9" in said
    assert len(root.findall(".//circle")) == 2 * len(SIZES)
    assert {one.attrib.get("stroke", "currentColor") for one in root.iter()} == {"currentColor"}


def test_picture_of_nothing_is_nothing() -> None:
    """Also where marks are given."""
    assert load_picture({}, {"x": 1}) == ""
