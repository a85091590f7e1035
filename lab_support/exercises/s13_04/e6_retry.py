"""13.4.6: retry, judged by how often the work runs, in which transaction, and how long is waited in between."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_04.ledger import open_shop
from lab_support.exercises.s13_04.shop import Product
from lab_support.exercises.story import Answer, Story

MOST_RUNS = 5
ENOUGH = 30
THEIRS = 100
ALWAYS = 10_000

retry = Exercise(
    id="13.4.6",
    title="Retry",
    task="Run a piece of work in a transaction, and all of it again when the database says that this may help.",
    student_writes=("retry_transaction",),
    witness="measured",
    limit_s=20.0,
    hints=(
        "What has the transaction read before it was refused, and is it still true? Which errors will be the same the "
        "next time? And if twenty clients wait the same time, when do they meet again?",
        "A loop around the session, not inside it. `code_of(error) in TRANSIENT` decides; the last run's error goes "
        "on. Wait `random() * 0.02 * 2**number` seconds.",
        "for number in range(5):\n    try:\n        async with sessions.begin() as session:\n"
        "            return await work(session)\n    except DBAPIError as error:\n"
        "        if code_of(error) not in TRANSIENT or number == 4:\n            raise\n    await sleep(...)",
    ),
    misconceptions=(
        Misconception(
            "retries-the-statement",
            "You believe that the same transaction can go on after it was refused. What it has read is old, and "
            "PostgreSQL takes nothing more in it: open a new one, and run all of the work in it.",
            lambda seen: seen.same_transaction,
        ),
        Misconception(
            "retries-forever",
            "You believe that it will work in the end. A fault that stays turns into a loop that never answers: give "
            "up after five runs, and let the last error out.",
            lambda seen: (seen.runs_when_hopeless or 0) >= ENOUGH,
        ),
        Misconception(
            "retries-integrity-errors",
            "You believe that any database error may pass. A constraint that refuses a row refuses it again: retry "
            "only what the database calls transient.",
            lambda seen: (seen.runs_on_integrity or 0) > 1,
        ),
        Misconception(
            "no-jitter",
            "You believe that waiting is enough. Those who collided wait equally long and collide again: multiply "
            "the wait by random().",
            lambda seen: seen.same_waits,
        ),
    ),
)


class _EnoughError(BaseException):
    """Ends work that is run again without end; no `except Exception` catches it."""


class _Work:
    """Sells one piece, and meets a conflict in each of its first runs."""

    def __init__(self, others: async_sessionmaker[AsyncSession], conflicts: int, fault: str) -> None:
        self._others, self._conflicts, self._fault = others, conflicts, fault
        self.runs = 0
        self.transactions: list[Any] = []

    async def __call__(self, session: AsyncSession) -> int:
        self.runs += 1
        if self.runs >= ENOUGH:
            raise _EnoughError
        product = (await session.execute(select(Product.id, Product.stock))).one()
        self.transactions.append(session.sync_session.get_transaction())
        if self._fault == "integrity":
            taken = insert(Product).values(id=product.id, name="again", price=1, stock=1)
            await session.execute(taken)
        if self._fault == "value":
            raise ValueError("this is no matter of the database")
        if self.runs <= self._conflicts:
            async with self._others.begin() as other:
                await other.execute(update(Product).values(stock=Product.stock + THEIRS))
        await session.execute(update(Product).values(stock=product.stock - 1))
        return int(product.stock) - 1

    @property
    def same_transaction(self) -> bool:
        """Whether two runs had one transaction."""
        return any(
            one is other for place, one in enumerate(self.transactions) for other in self.transactions[:place]
        )


@retry.act
async def run(attempt: Attempt, conflicts: int, fault: str, draws: list[float]) -> dict[str, Any]:
    """Have work run that meets so many conflicts; `draws` are what random() returns, the last one for ever."""
    waits: list[float] = []
    numbers: Iterator[float] = chain(draws, repeat(draws[-1]))

    async def sleep(seconds: float) -> None:
        waits.append(float(seconds))

    sessions, error, value = attempt.sessions, "", None
    if attempt.engine.dialect.name == "postgresql":
        strict = attempt.engine.execution_options(isolation_level="REPEATABLE READ")
        sessions = async_sessionmaker(strict, expire_on_commit=False)
    work = _Work(attempt.sessions, conflicts, fault)
    try:
        value = await attempt.the("retry_transaction")(
            sessions, work, sleep=sleep, random=lambda: next(numbers)
        )
    except (_EnoughError, Exception) as raised:
        error = type(raised).__name__
        if not work.runs:
            raise
    return {
        "value": value,
        "error": error,
        "runs": work.runs,
        "waits": waits,
        "same_transaction": work.same_transaction,
    }


async def _run(story: Story, conflicts: int, fault: str = "", draws: tuple[float, ...] = (0.5,)) -> Answer:
    """Have work run, and note whether two runs had one transaction."""
    always = "always" if conflicts == ALWAYS else f"{conflicts} times"
    told = f"work that raises an {fault} error" if fault else f"work that is refused {always}"
    answer = await story.ask(run, call=told, conflicts=conflicts, fault=fault, draws=list(draws))
    story.saw(same_transaction=story.seen.same_transaction or answer["same_transaction"])
    return answer


async def _stock(story: Story) -> int:
    return int((await story.rows(select(Product.stock)))[0]["stock"])


async def _refused_then_done(story: Story, conflicts: int) -> None:
    """Expect work that is refused so many times to happen once, on what the others have left."""
    stock = story.random.randint(50, 90)
    await open_shop(story, stock=stock)
    answer = await _run(story, conflicts)
    story.expect(not answer["same_transaction"], "The work ran twice in one transaction.",
                 expected="a new transaction for each run", observed=answer["error"] or "one transaction")  # fmt: skip
    story.equal(answer["error"], "", "The work would have been done in its next run, and an error came out.")
    story.equal(answer["runs"], conflicts + 1, "The work did not run as often as it had to.")
    story.equal(await _stock(story), stock + conflicts * THEIRS - 1, "The stock is not exact.")
    story.equal(answer["value"], stock + conflicts * THEIRS - 1, "What the work returned did not come out.")
    story.equal(len(answer["waits"]), conflicts, "There is not one wait before each further run.")


@retry.scenario("work that succeeds runs once and is committed")
async def once(story: Story) -> None:
    await _refused_then_done(story, 0)


@retry.scenario("refused work runs again from its beginning, on PostgreSQL", on="postgresql", points=2)
async def again_on_postgresql(story: Story) -> None:
    await _refused_then_done(story, 2)


@retry.scenario("refused work runs again from its beginning, on SQLite")
async def again_on_sqlite(story: Story) -> None:
    await _refused_then_done(story, 3)


@retry.scenario("work that is always refused is given up, and its error comes out")
async def hopeless(story: Story) -> None:
    stock = story.random.randint(50, 90)
    await open_shop(story, stock=stock)
    answer = await _run(story, ALWAYS)
    story.saw(runs_when_hopeless=answer["runs"])
    observed = "it never ended" if answer["runs"] >= ENOUGH else f"{answer['runs']} runs"
    story.expect(answer["runs"] == MOST_RUNS, "The work does not end after five runs.",
                 expected=f"{MOST_RUNS} runs", observed=observed)  # fmt: skip
    story.equal(answer["error"], "OperationalError", "The caller did not get the last run's error.")


@retry.scenario("an error that will come again is not retried")
async def not_transient(story: Story) -> None:
    await open_shop(story, stock=story.random.randint(50, 90))
    answer = await _run(story, 0, "integrity")
    story.saw(runs_on_integrity=answer["runs"])
    story.equal(answer["runs"], 1, "Work that broke a constraint ran again.")
    story.equal(answer["error"], "IntegrityError", "The caller did not get the error.")
    answer = await _run(story, 0, "value")
    story.equal(
        (answer["runs"], answer["error"]), (1, "ValueError"), "An error of Python's own was not let out."
    )


@retry.scenario("the waits grow, and differ from client to client")
async def waits(story: Story) -> None:
    await open_shop(story, stock=story.random.randint(50, 90))
    low, high = [(await _run(story, 4, draws=(draw,)))["waits"] for draw in (0.2, 0.9)]
    shown = f"{_shown(low)} and {_shown(high)}"
    story.saw(same_waits=low == high and max(low, default=0) > 0)
    story.expect(len(low) == len(high) == 4, "There is not one wait before each further run.", observed=shown)
    story.expect(low != high, "Two clients that drew other random numbers wait equally long.", observed=shown)
    story.expect(low[0] < low[-1] and high[0] < high[-1], "The waits do not grow.", observed=shown)
    story.expect(max(low + high) <= 10, "A wait is longer than ten seconds.", observed=shown)


def _shown(seconds: list[float]) -> str:
    return ", ".join(f"{one:.3f}" for one in seconds) + " s"
