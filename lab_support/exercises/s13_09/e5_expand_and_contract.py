"""13.9.5: expand and contract, judged by every release that runs, after every step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_09.rollout import CODE, TABLE, Deploy, Release, Sql
from lab_support.exercises.story import Story

MOST_STEPS = 30
OLD_CUSTOMERS = 24
QUIET_CUSTOMERS = 4

expand_and_contract = Exercise(
    id="13.9.5",
    title="Expand and contract",
    task="Give a column another name while old and new code read and write it.",
    student_writes=("PLAN",),
    witness="rows",
    limit_s=20.0,
    hints=(
        "While a release is deployed, it and the one before run side by side. Which columns do both need? Which of "
        "them writes a row that the other cannot see? From when on is every new row written in both columns?",
        "Expand: add the column. Deploy what writes both. Only now fill the old rows: nobody writes one column alone "
        "any more. Then deploy what reads the new column, then what knows no other. Contract: drop the old one, last.",
        'PLAN = [\n    Sql("ALTER TABLE customers ADD COLUMN full_name VARCHAR(200)"),\n'
        "    Deploy(Release.WRITES_BOTH),\n"
        '    Sql("UPDATE customers SET full_name = name"),\n'
        "    ...,  # two deployments\n"
        '    Sql("ALTER TABLE customers DROP COLUMN name"),\n]',
    ),
    misconceptions=(
        Misconception(
            "rename-in-one-step",
            "You believe that schema and code change at one moment. Between them lie seconds at best, in which the "
            "code that runs asks for a column that is gone: let both columns exist for a while.",
            lambda seen: seen.broken and not seen.had_both,
        ),
        Misconception(
            "contracts-too-early",
            "You believe that a column is done with when the new one is there. A release that still runs reads or "
            "writes it: drop it when only code runs that does not know it.",
            lambda seen: seen.dropped_in_use and seen.had_both,
        ),
        Misconception(
            "drops-before-backfill",
            "You believe that a new column fills itself. Rows that nobody has written since are empty in it, and their "
            "content goes with the old column: fill them before anybody reads the new one.",
            lambda seen: seen.quiet_lost,
        ),
        Misconception(
            "forgets-rows-written-meanwhile",
            "You believe that a backfill is done once and for all. Code that writes one column alone still ran, and "
            "what it wrote afterwards is missing in the other: first deploy what writes both, then fill.",
            lambda seen: seen.meanwhile_lost and not seen.quiet_lost,
        ),
    ),
)


@expand_and_contract.act
async def read_plan(attempt: Attempt) -> list[list[str]]:
    """Return the plan as JSON: each step's kind, and its SQL or release."""
    steps: list[list[str]] = []
    for number, step in enumerate(attempt.the("PLAN"), 1):
        if isinstance(step, Sql):
            steps.append(["sql", str(step.text)])
        elif isinstance(step, Deploy):
            steps.append(["deploy", Release(step.release).value])
        else:
            raise ValueError(f"Step {number} of PLAN is neither Sql nor Deploy, but {type(step).__name__}.")
    return steps


@expand_and_contract.act
async def migrate(attempt: Attempt, sql: str) -> None:
    """Execute one statement of the plan, in a transaction of its own."""
    async with attempt.engine.begin() as connection:
        await connection.exec_driver_sql(sql)


class _Rollout:
    """The shop while it is rolled out: what runs, and which names its customers have."""

    def __init__(self, story: Story) -> None:
        self.story, self.running = story, [Release.OLD]
        self.names: dict[int, str] = {}
        self._written: set[int] = set()
        self._busy: Iterator[int] = iter(())
        self._after = "Before the first step"

    async def opens(self, customers: int) -> None:
        """Create the table as it is today."""
        await self.story.write(TABLE)
        self.names = {number: self._new_name() for number in range(1, customers + 1)}
        if customers:
            rows = [{"id": number, "told": name} for number, name in self.names.items()]
            await self.story.write(CODE[Release.OLD].add, rows)
            busy = self.story.random.sample(range(1, customers + 1), customers - QUIET_CUSTOMERS)
            self._busy = cycle(busy)

    def _new_name(self) -> str:
        return f"Ada {self.story.random.getrandbits(32):x}"

    async def follows(self, *, traffic: bool) -> None:
        """Go through the plan; with traffic, everything that runs reads and writes after each step."""
        steps = (await self.story.ask(read_plan, call="read PLAN")).value
        self.story.expect(len(steps) <= MOST_STEPS, "The plan has too many steps.", expected=f"at most {MOST_STEPS}",
                          observed=len(steps))  # fmt: skip
        for number, (kind, what) in enumerate(steps, 1):
            self._after = f"After step {number} ({what})"
            if kind == "sql":
                answer = await self.story.ask(migrate, call=f"step {number}: {what}", may_fail=True, sql=what)
                refused = answer.error.text if answer.error else ""
                self.story.expect(not refused, f"The database refuses step {number}.", observed=refused)
                await self._trade(traffic)
            else:
                release = Release(what)
                self._after = f"While step {number} deploys '{what}'"
                self.running = list(dict.fromkeys([self.running[-1], release]))
                await self._trade(traffic)
                self.running, self._after = [release], f"After step {number} ('{what}')"
                await self._trade(traffic)

    async def _trade(self, traffic: bool) -> None:
        columns = await self.columns()
        self.story.saw(had_both=self.story.seen.had_both or {"name", "full_name"} <= columns)
        if not traffic:
            return
        for release in self.running:
            await self._reads(release)
        target = next(self._busy)
        for release in (*self.running, *self.running[:-1]):  # the older one writes last, too
            for sql, number in ((CODE[release].add, max(self.names) + 1), (CODE[release].rename, target)):
                await self._writes(release, sql, number)
                for reader in self.running:
                    await self._reads(reader)

    async def _writes(self, release: Release, sql: str, number: int) -> None:
        name = self._new_name()
        try:
            await self.story.write(sql, [{"id": number, "told": name}])
        except DBAPIError as error:
            await self._is_broken(release, "write", error)
        self.names[number] = name
        self._written.add(number)

    async def _reads(self, release: Release) -> None:
        try:
            rows = await self.story.rows(CODE[release].read)
        except DBAPIError as error:
            await self._is_broken(release, "read", error)
            return
        self.is_right(
            {row["id"]: row["told"] for row in rows}, f"{self._after}, the release '{release}' reads"
        )

    async def _is_broken(self, release: Release, does: str, error: DBAPIError) -> None:
        dropped = release is not Release.NEW and "name" not in await self.columns()
        self.story.saw(broken=True, dropped_in_use=self.story.seen.dropped_in_use or dropped)
        self.story.expect(False, f"{self._after}, the release '{release}' can no longer {does}.",
                          expected="every release that runs reads and writes",
                          observed=str(error.orig).rpartition(">: ")[2])  # fmt: skip

    def is_right(self, found: dict[int, Any], who: str) -> None:
        """Expect these to be the customers' names; note which of the wrong ones nobody has written meanwhile."""
        wrong = [number for number in {**self.names, **found} if self.names.get(number) != found.get(number)]
        quiet = [number for number in wrong if number not in self._written]
        self.story.saw(
            quiet_lost=self.story.seen.quiet_lost or quiet,
            meanwhile_lost=self.story.seen.meanwhile_lost or wrong,
        )
        if wrong:
            number = (quiet or wrong)[0]
            self.story.equal(
                found.get(number), self.names.get(number), f"{who} another name of customer {number}."
            )

    async def columns(self) -> set[str]:
        """Read which columns the table has now; none if it is gone."""

        def look(connection: Any) -> set[str]:
            there = inspect(connection)
            return (
                {one["name"] for one in there.get_columns("customers")}
                if there.has_table("customers")
                else set()
            )

        found: set[str] = await self.story.look(look)
        return found

    async def ends(self) -> None:
        """Expect the new release alone, on the new column alone."""
        running = ", ".join(self.running)
        self.story.equal(
            running, Release.NEW.value, "At the end something else runs than the newest release."
        )
        self.story.equal(
            sorted(await self.columns()), ["full_name", "id"], "At the end there are other columns."
        )


@expand_and_contract.scenario("the plan ends with the new release on the new column")
async def quiet(story: Story) -> None:
    shop = _Rollout(story)
    await shop.opens(0)
    await shop.follows(traffic=False)
    await shop.ends()


@expand_and_contract.scenario("at every step, whatever runs reads and writes", points=4)
async def open_shop(story: Story) -> None:
    shop = _Rollout(story)
    await shop.opens(OLD_CUSTOMERS)
    await shop.follows(traffic=True)
    await shop.ends()
    rows = await story.rows(CODE[Release.NEW].read)
    shop.is_right({row["id"]: row["told"] for row in rows}, "At the end the table holds")
