"""13.10.2: a leak, judged by the connections that are out after a hundred requests that failed."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import event, insert, select
from sqlalchemy.exc import TimeoutError as NoFreeConnectionError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from lab_support.database import build_engine
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_10.shop import METADATA, SALES, STOCK
from lab_support.exercises.story import Answer, Story
from lab_support.exercises.student_code import means_not_attempted

SHARE = 5
FAILURES = 100
CANCELLED = 10

leak = Exercise(
    id="13.10.2",
    title="The leak",
    task="Mend a sale that keeps its connection when something goes wrong.",
    student_writes=("POOL", "sell"),
    witness="measured",
    limit_s=20.0,
    hints=(
        "By which ways can `sell_leaking` be left? Which of them reach its last line? And what does a larger pool "
        "change about that?",
        "`async with engine.begin() as connection:` commits at its end, rolls back after an error, and gives the "
        "connection back in both cases; also when the task is cancelled.",
        "async with engine.begin() as connection:\n"
        "    free = await connection.scalar(select(STOCK.c.free).where(STOCK.c.sku == sku))\n"
        "    if free is None:\n        raise UnknownProductError(sku)\n    ...\n    return free - units",
    ),
    misconceptions=(
        Misconception(
            "bigger-pool",
            "You believe that a pool which runs dry is too small. A leak empties a pool of any size, only later, and "
            "the server has no more to give than this worker's share: give each connection back.",
            lambda seen: seen.pool_limit > SHARE,
        ),
        Misconception(
            "closes-only-on-success",
            "You believe that the last line is always reached. An error leaves the function before it, and so does a "
            "cancelled task: use `async with`, or close in a `finally`.",
            lambda seen: seen.left_out and not seen.left_out_by_good and seen.pool_limit <= SHARE,
        ),
    ),
)


class _Counted:
    """An engine with the student's pool that counts its connections, and can cancel a sale before its UPDATE."""

    def __init__(self, attempt: Attempt) -> None:
        self.engine: AsyncEngine = build_engine(attempt.engine.url, pool=attempt.the("POOL"))
        self._sell = attempt.the("sell")
        self._victim: asyncio.Task[Any] | None = None
        self._lent: list[Any] = []
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._before)
        event.listen(self.engine.sync_engine, "checkout", self._checkout)

    def _checkout(self, _connection: Any, _record: Any, lent: Any) -> None:
        """Keep what was lent, else Python's garbage collector would hide a leak, now or later."""
        self._lent.append(lent)

    def _before(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if self._victim is not None and statement.startswith("UPDATE"):
            self._victim.cancel()
            self._victim = None

    async def sell(self, sale: list[Any], *, cancel: bool = False) -> Any:
        """Make one sale; return what is left, or the error."""
        task = asyncio.ensure_future(self._sell(self.engine, *sale))
        self._victim = task if cancel else None
        ended: Any = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(ended, BaseException) and means_not_attempted(ended):
            raise ended
        return ended

    @property
    def out(self) -> int:
        """Connections that are out now."""
        pool: Any = self.engine.pool
        return int(pool.checkedout())

    async def close(self) -> None:
        """Take back what is still lent, and close the engine."""
        for lent in self._lent:
            if lent.is_valid:
                await greenlet_spawn(lent.close)
        await self.engine.dispose()


@leak.act
async def sell_all(attempt: Attempt, sales: list[list[Any]], cancel: bool = False) -> dict[str, Any]:
    """Make one sale after another; stop when the pool has no connection left."""
    counted, ended = _Counted(attempt), list[Any]()
    try:
        for sale in sales:
            ended.append(await counted.sell(sale, cancel=cancel))
            if isinstance(ended[-1], NoFreeConnectionError):
                break
        told = [type(one).__name__ if isinstance(one, BaseException) else one for one in ended]
        limit = attempt.the("POOL").limit
        return {"ended": told, "out": counted.out, "limit": limit}
    finally:
        await counted.close()


async def _sold(story: Story, what: str, sales: list[list[Any]], *, cancel: bool = False) -> Answer:
    answer = await story.ask(sell_all, call=what, sales=sales, cancel=cancel)
    story.saw(pool_limit=answer["limit"])
    return answer


def _new(story: Story, what: str) -> str:
    return f"{what}-{story.random.getrandbits(40):010x}"


async def _open_shop(story: Story) -> tuple[str, int]:
    """Create the tables; return the SKU and the units of what there is to sell."""
    await story.create(METADATA)
    sku, free = _new(story, "LAMP"), story.random.randint(20, 60)
    await story.write(insert(STOCK).values(sku=sku, free=free))
    return sku, free


async def _evidence(story: Story) -> tuple[int, int]:
    """Return the units that are there, and how many sales there are."""
    (stock,) = await story.rows(select(STOCK.c.free))
    return stock["free"], len(await story.rows(select(SALES.c.receipt)))


def _all_back(story: Story, answer: Answer, after: str) -> None:
    story.expect(answer["out"] == 0, f"After {after}, connections are still out.", expected="0 out",
                 observed=f"{answer['out']} of {answer['limit']} out after {len(answer['ended'])}")  # fmt: skip


@leak.scenario("sales are made, and each gives its connection back")
async def calm(story: Story) -> None:
    sku, free = await _open_shop(story)
    units = [story.random.randint(1, 3) for _ in range(SHARE + 1)]
    sales = [[sku, count, _new(story, "R")] for count in units]
    answer = await _sold(story, f"{len(sales)} good sales, one after another", sales)
    story.saw(left_out_by_good=answer["out"] > 0)
    _all_back(story, answer, "good sales")
    left = [free - sum(units[: number + 1]) for number in range(len(units))]
    story.equal(answer["ended"], left, "A sale does not return what is left.")
    story.equal(await _evidence(story), (left[-1], len(units)), "Stock and sales are not what was sold.")
    story.expect(answer["limit"] <= SHARE, "The pool has grown beyond this worker's share of the server.",
                 expected=f"at most {SHARE} connections", observed=answer["limit"])  # fmt: skip


@leak.scenario(f"after {FAILURES} requests that fail, no connection is out", points=3)
async def failing(story: Story) -> None:
    sku, free = await _open_shop(story)
    receipt = _new(story, "R")
    await story.write(insert(SALES).values(receipt=receipt, sku=sku, units=1))
    kinds: dict[str, list[Any]] = {
        "UnknownProductError": [_new(story, "GONE"), 1, _new(story, "R")],
        "OutOfStockError": [sku, free + story.random.randint(1, 9), _new(story, "R")],
        "IntegrityError": [sku, 1, receipt],
    }
    wanted = [story.random.choice(sorted(kinds)) for _ in range(FAILURES)]
    answer = await _sold(story, f"{FAILURES} requests that fail", [kinds[kind] for kind in wanted])
    story.saw(left_out=answer["out"])
    _all_back(story, answer, "requests that failed")
    story.equal(answer["ended"], wanted, "A request that fails ends in another way than it should.")
    story.equal(await _evidence(story), (free, 1), "A request that failed has changed something.")


@leak.scenario("a request that is cancelled gives its connection back, too", points=2)
async def cancelled(story: Story) -> None:
    sku, free = await _open_shop(story)
    sales = [[sku, 1, _new(story, "R")] for _ in range(CANCELLED)]
    what = f"{CANCELLED} requests whose callers go away before the UPDATE"
    answer = await _sold(story, what, sales, cancel=True)
    story.saw(left_out=story.seen.left_out or answer["out"])
    _all_back(story, answer, "cancelled requests")
    story.equal(answer["ended"], ["CancelledError"] * CANCELLED, "A cancellation was swallowed.")
    story.equal(await _evidence(story), (free, 0), "A cancelled request has changed something.")
