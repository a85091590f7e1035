"""Live traffic: several versions of the code add, rename and read customers at once, and a ledger knows what is right.

What one version has written is read by another before anybody writes it again.

Section:
    13.9, "Expand and contract"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import WRITES
from lab_support.services.rehearsal.report import Stage
from lab_support.services.rehearsal.versions import CodeVersion

WORKERS_PER_VERSION: Final = 2
_EACH_ADDS: Final = 8  # one operation in so many adds a customer


@dataclass(slots=True)
class _Entry:
    """What a customer's name has to be; whoever uses the customer holds the lock."""

    name: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Traffic:
    """Works on the table with whichever versions are live; see `running` and `deploy`.

    Args:
        engine: A pool of its own.
        seed: Decides who does what.
    """

    def __init__(self, engine: AsyncEngine, *, seed: int = 13) -> None:
        self.stage = Stage("before", ())
        self._engine = engine
        self._writer = engine.execution_options(**WRITES)
        self._random = Random(seed)  # noqa: S311  (a sequence of work, no secret)
        self._numbers = count(1)
        self._ledger: dict[str, _Entry] = {}
        self._live: tuple[CodeVersion, ...] = ()
        self._workers: dict[CodeVersion, list[asyncio.Task[None]]] = {}
        self._retired: set[CodeVersion] = set()
        self._progress = asyncio.Condition()

    @property
    def customers(self) -> int:
        """How many there are by the ledger."""
        return len(self._ledger)

    async def fill(self, version: CodeVersion, customers: int) -> None:
        """Add the first customers, before there is traffic."""
        new = {self._customer(): self._name(version) for _ in range(customers)}
        async with self._writer.begin() as connection:
            for customer, name in new.items():
                await version.add(connection, customer, name)
        self._ledger |= {customer: _Entry(name) for customer, name in new.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let live versions work while the block runs; a worker that breaks by itself is an error here."""
        try:
            yield
        finally:
            await self.deploy()

    async def deploy(self, *versions: CodeVersion) -> None:
        """Have exactly these versions live; those that leave first finish what they are doing."""
        self._live = versions
        self._retired = set(self._workers) - set(versions)
        for version in tuple(self._retired):
            await asyncio.gather(*self._workers.pop(version))
        self._retired = set()
        for version in versions:
            if version not in self._workers:
                self._workers[version] = [
                    asyncio.create_task(self._work(version), name=f"{version.name} at work")
                    for _ in range(WORKERS_PER_VERSION)
                ]

    def begin(self, name: str, versions: Sequence[CodeVersion]) -> Stage:
        """Count for a new stage from now on."""
        self.stage = Stage(name, tuple(version.name for version in versions))
        return self.stage

    async def more(self, operations: int) -> None:
        """Wait until each live version has ended so many more operations, well or badly."""
        stage, live = self.stage, self._live
        goal = {one: _ended(stage, one) + operations for one in live}
        async with self._progress:
            await self._progress.wait_for(lambda: all(_ended(stage, one) >= goal[one] for one in live))

    async def verify(self, version: CodeVersion) -> None:
        """Read every customer once more with one version."""
        async with self._engine.connect() as connection:
            for customer, entry in self._ledger.items():
                self._compare(customer, entry.name, await version.read(connection, customer), version)

    async def _work(self, version: CodeVersion) -> None:
        while version not in self._retired:
            stage = self.stage
            try:
                await self._operation(version)
                stage.done[version.name] += 1
            except Exception as error:
                stage.failed[version.name] += 1
                stage.first_error = stage.first_error or f"{version.name}: {_line(error)}"
            async with self._progress:
                self._progress.notify_all()
            await asyncio.sleep(0)

    async def _operation(self, version: CodeVersion) -> None:
        if self._random.randrange(_EACH_ADDS) == 0:
            await self._add(version)
            return
        customer = self._random.choice(tuple(self._ledger))
        entry = self._ledger[customer]
        async with entry.lock:
            async with self._engine.connect() as connection:
                self._compare(customer, entry.name, await version.read(connection, customer), version)
            name = self._name(version)
            async with self._writer.begin() as connection:
                await version.rename(connection, customer, name)
            entry.name = name

    async def _add(self, version: CodeVersion) -> None:
        customer, name = self._customer(), self._name(version)
        async with self._writer.begin() as connection:
            await version.add(connection, customer, name)
        self._ledger[customer] = _Entry(name)

    def _customer(self) -> str:
        return f"c{next(self._numbers):06}"

    def _name(self, version: CodeVersion) -> str:
        return f"{version.name} wrote {next(self._numbers)}"

    def _compare(self, customer: str, wanted: str, found: str | None, reader: CodeVersion) -> None:
        if found != wanted:
            self.stage.lost.append(f"{reader.name} read {found!r} of {customer}, which has to be {wanted!r}")


def _ended(stage: Stage, version: CodeVersion) -> int:
    return stage.done[version.name] + stage.failed[version.name]


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]
