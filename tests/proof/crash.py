"""The crash matrix: a process is killed (SIGKILL) at its n-th statement or commit, for each n, and started again.

The statements are those of all four services, of the bus's file and of the provider's: what is published, marked,
charged and acknowledged is a statement or a commit of one of them.

`python -m tests.proof.crash --folder F --points 1,2,3` kills at these points, on SQLite files in F. Other engines get
four URLs of empty databases after `--urls`. Without `--points` it tells how many there are. The report is JSON.
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, event
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database.trace_events import kind_of
from lab_support.messaging import EmbeddedBus
from lab_support.services.payments.provider_ledger import METADATA as PROVIDER_TABLES
from lab_support.services.payments.simulated_provider import Outcome
from lab_support.services.split import ALL, NAMES
from tests.proof.inline_sqlite import inline_sqlite
from tests.proof.invariants import Books
from tests.proof.quiet import become_quiet
from tests.proof.snapshot import snapshot
from tests.proof.world import LOOKS, World


class Case(NamedTuple):
    """One order of the run, and its one right end."""

    coordination: Any
    pay_by: Any
    customer_id: str
    items: dict[str, int]
    end: str


CASES: Final = (
    Case("choreography", "credit", "ada", {"LAMP-7": 1, "MUG-2": 2}, "APPROVED"),
    Case("choreography", "credit", "ada", {"MUG-2": 1, "CABLE-9": 1}, "FAILED_NO_STOCK"),
    Case("choreography", "card", "ada", {"CABLE-9": 1}, "FAILED_INVENTORY"),
    Case("orchestration", "credit", "ada", {"CABLE-9": 1}, "FAILED_NO_STOCK"),
    Case("orchestration", "card", "grace", {"LAMP-7": 1}, "CONFIRMED"),  # its charge times out, and is done
    Case("orchestration", "card", "ada", {"CABLE-9": 2}, "FAILED_INVENTORY"),
)


class Points:
    """Counts what the process does to its databases, and kills it at one of them.

    Args:
        kill_at: Which one, from 1; 0 kills at none.
    """

    def __init__(self, kill_at: int = 0) -> None:
        self.kill_at, self.names = kill_at, list[str]()

    def reach(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, who: str, engine: AsyncEngine) -> Callable[[], None]:
        """Count an engine's statements and commits, and return what ends that."""

        def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if kind_of(statement) == "SQL" and statement not in LOOKS:
                self.reach(f"{who}: {' '.join(statement.split()[:4])}")

        def do_commit(connection: Any) -> None:
            self.reach(f"{who}: before commit")
            commit(connection)
            self.reach(f"{who}: after commit")

        dialect: Any = engine.sync_engine.dialect
        commit = dialect.do_commit
        event.listen(engine.sync_engine, "before_cursor_execute", before)
        dialect.do_commit = do_commit

        def end() -> None:
            event.remove(engine.sync_engine, "before_cursor_execute", before)
            dialect.do_commit = commit

        return end


class Matrix:
    """One engine's databases, on which the same orders are lived through again and again."""

    def __init__(self, folder: Path, urls: Sequence[str]) -> None:
        self.folder, self.fresh = folder, folder / "fresh"
        self.files = not urls
        if self.files:
            urls = [f"sqlite+aiosqlite:///{folder / name}.db" for name in NAMES]
        self.world = World(
            dict(zip(NAMES, urls, strict=True)),
            folder,
            lambda: EmbeddedBus(folder / "bus.db"),
            random=Random(13),
            order_deadline_s=100_000.0,
        )
        self.books: Books

    async def prepare(self) -> None:
        """Make the tables, and on SQLite a copy of the fresh files."""
        await self.world.create()
        await self.world.provider.script("grace", Outcome.TIMEOUT_AFTER)
        self.books = await Books.of(self.world)
        await self._close()
        if self.files:
            self.fresh.mkdir()
            for file in self.folder.glob("*.db"):
                shutil.copy(file, self.fresh)

    async def reset(self) -> None:
        """Make everything as it was at first."""
        for file in self.folder.glob("*.db*" if self.files else "bus.db*"):
            if file.is_dir():  # the places of the bus's readers
                shutil.rmtree(file)
            else:
                file.unlink()
        if self.files:
            for file in self.fresh.iterdir():
                shutil.copy(file, self.folder)
            return
        for one in ALL:
            async with self.world.engines[one.name].begin() as connection:
                for table in reversed(one.tables.sorted_tables):
                    await connection.execute(delete(table))
        async with self.world.provider._engine.begin() as connection:
            for table in PROVIDER_TABLES.sorted_tables:
                await connection.execute(delete(table))
        await self.world.create()
        await self.world.provider.script("grace", Outcome.TIMEOUT_AFTER)
        await self._close()

    async def live(self, points: Points) -> None:
        """Order everything, and run until nothing is left to do; or die before."""
        with self._started() as world:
            await world.start()
            ends = [points.watch(name, engine) for name, engine in world.engines.items()]
            ends += [
                points.watch("bus", world.bus.log._engine),
                points.watch("provider", world.provider._engine),
            ]
            await self._order()
            assert await become_quiet(world) == []
            for end in ends:
                end()
            await world.stop()

    async def recover(self, after_s: float) -> list[str]:
        """Start again some time later, with a client that repeats what it got no answer to; list what is wrong."""
        with self._started() as world:
            world.clock.move(after_s)
            await world.start()
            await self._order()
            found = await become_quiet(world) or await self.books.violations(world)
            found += [f"dead letter: {one}" for one in await world.bus.dead_letters()]
            orders = (await snapshot(world)).orders
            await world.stop()
        ends, right = sorted(one.status for one in orders), sorted(case.end for case in CASES)
        return found if ends == right else [*found, f"ended as {ends} instead of {right}"]

    async def _order(self) -> None:
        for number, case in enumerate(CASES):
            await self.world.place(*case[:-1], key=f"order-{number}")

    @contextmanager
    def _started(self) -> Iterator[World]:
        self.books = Books.like(self.books)
        self.world.begin_anew(Random(13), self.world.open_bus)
        yield self.world

    async def _close(self) -> None:
        await self.world.provider.__aexit__(None)
        for engine in self.world.engines.values():
            await engine.dispose()


def kill_at(matrix: Matrix, point: int) -> list[str]:
    """Let a process be killed at a point, start again, and list what is wrong then."""
    asyncio.run(matrix.reset())
    child = os.fork()
    if child == 0:
        _die_at(matrix, point)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        return [f"the process was to be killed and ended with status {status}"]
    return asyncio.run(matrix.recover(1.0 if point % 2 else 120.0))


def _die_at(matrix: Matrix, point: int) -> None:
    """In the child: live until the point; whatever else happens, never return into the parent's code."""
    try:
        asyncio.run(matrix.live(Points(point)))
        os._exit(3)
    except BaseException:
        logging.getLogger(__name__).exception("The child failed before its death")
        os._exit(4)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--points", default="", help='such as "1,2,3", "sample 20" or "all"')
    parser.add_argument("--urls", nargs="*", default=[])
    told = parser.parse_args()
    logging.getLogger("lab_support").setLevel(logging.CRITICAL + 1)
    with inline_sqlite():
        matrix = Matrix(told.folder, told.urls)
        asyncio.run(matrix.prepare())
        counted = Points()
        asyncio.run(matrix.live(counted))
        report: dict[str, Any] = {"points": len(counted.names), "killed": 0, "wrong": {}}
        for point in _chosen(told.points, len(counted.names)):
            report["killed"] += 1
            if wrong := kill_at(matrix, point):
                report["wrong"][f"{point}, before {counted.names[point - 1]}"] = wrong
            if report["killed"] % 50 == 0:
                sys.stderr.write(f"{report['killed']} killed, last at point {point} of {report['points']}\n")
    sys.stdout.write(json.dumps(report))


def _chosen(points: str, last: int) -> Sequence[int]:
    """Read "5,6" or "sample 20" or "all"."""
    if points == "all":
        return range(1, last + 1)
    if points.startswith("sample "):
        many = int(points.split()[1])
        return sorted({1 + round(place * (last - 1) / (many - 1)) for place in range(many)})
    return [int(one) for one in points.split(",") if one]


if __name__ == "__main__":
    main()
