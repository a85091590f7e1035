"""The gauges equal the truth after any interleaving of checkout, return, invalidation, time-out and cancellation."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.util import await_only

from lab_support.pools import GaugedQueuePool, gauges_of

SIZE, OVERFLOW = 2, 1
FOR_EVER_S, AN_INSTANT_S = 600.0, 0.001
LOOPS = 20  # turns of the event loop after which a task that needs nothing from outside stands where it will stand


class RefusedError(Exception):
    """The database opens no connection."""


class PoolMachine(RuleBasedStateMachine):
    """A pool, and beside it a plain account of what was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.engine = create_async_engine(
            f"sqlite+aiosqlite:///{Path(self.folder.name) / 'a.db'}",
            poolclass=GaugedQueuePool,
            pool_size=SIZE,
            max_overflow=OVERFLOW,
            pool_timeout=FOR_EVER_S,
        )
        self.held: list[AsyncConnection] = []
        self.line: list[asyncio.Task[AsyncConnection]] = []
        self.refusing = False
        self.checkouts = self.timeouts = self.failures = self.cancelled = self.invalidations = self.waits = 0
        event.listen(self.engine.sync_engine, "do_connect", self.connect)

    def connect(self, *_: object) -> None:
        await_only(asyncio.sleep(0))
        if self.refusing:
            raise RefusedError

    @property
    def full(self) -> bool:
        return len(self.held) == SIZE + OVERFLOW

    async def turns(self) -> None:
        for _ in range(LOOPS):
            await asyncio.sleep(0)

    async def serve_first_in_line(self) -> None:
        """Whoever waited longest has the place now."""
        if self.line:
            self.held.append(await self.line.pop(0))
            self.checkouts += 1
            self.waits += 1

    @rule()
    def check_out(self) -> None:
        async def ask() -> None:
            task = asyncio.create_task(self.engine.connect().start())
            if self.full:
                self.line.append(task)
                await self.turns()
            else:
                self.held.append(await task)
                self.checkouts += 1

        self.loop.run(ask())

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 2))
    def give_back(self, which: int) -> None:
        async def give() -> None:
            await self.held.pop(which % len(self.held)).close()
            await self.serve_first_in_line()

        self.loop.run(give())

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 2))
    def invalidate(self, which: int) -> None:
        async def throw_away() -> None:
            connection = self.held.pop(which % len(self.held))
            await connection.invalidate()
            await connection.close()
            self.invalidations += 1
            await self.serve_first_in_line()

        self.loop.run(throw_away())

    @precondition(lambda self: self.line)
    @rule(which=st.integers(0, 5))
    def cancel(self, which: int) -> None:
        async def stop() -> None:
            task = self.line.pop(which % len(self.line))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.cancelled += 1
            self.waits += 1

        self.loop.run(stop())

    @precondition(lambda self: self.full)
    @rule()
    def time_out(self) -> None:
        async def ask_in_vain() -> None:
            pool = self.engine.pool
            assert isinstance(pool, GaugedQueuePool)
            pool._timeout = AN_INSTANT_S
            try:
                await self.engine.connect()
            except exc.TimeoutError:
                self.timeouts += 1
                self.waits += 1
            finally:
                pool._timeout = FOR_EVER_S

        self.loop.run(ask_in_vain())

    @precondition(lambda self: not self.full and gauges_of(self.engine).idle == 0)
    @rule()
    def fail_to_open(self) -> None:
        async def ask_in_vain() -> None:
            self.refusing = True
            try:
                await self.engine.connect()
            except RefusedError:
                self.failures += 1
            finally:
                self.refusing = False

        self.loop.run(ask_in_vain())

    @precondition(lambda self: not self.line)
    @rule()
    def dispose(self) -> None:
        async def close_all() -> None:
            while self.held:
                await self.held.pop().close()
            await self.engine.dispose()

        self.loop.run(close_all())

    @invariant()
    def gauges_tell_the_truth(self) -> None:
        gauges = gauges_of(self.engine)
        assert (gauges.checked_out, gauges.waiting) == (len(self.held), len(self.line))
        assert gauges.opening == 0
        assert gauges.idle <= SIZE
        assert gauges.connects - gauges.closes == len(self.held) + gauges.idle
        assert (gauges.checkouts, gauges.timeouts) == (self.checkouts, self.timeouts)
        assert (gauges.failures, gauges.connect_errors) == (self.failures, self.failures)
        assert (gauges.cancelled, gauges.waits.count) == (self.cancelled, self.waits)
        assert (gauges.invalidations, gauges.recycles, gauges.pre_ping_failures) == (self.invalidations, 0, 0)

    def teardown(self) -> None:
        async def end() -> None:
            for task in self.line:
                task.cancel()
            await asyncio.gather(*self.line, return_exceptions=True)
            for connection in self.held:
                await connection.close()
            await self.engine.dispose()

        self.loop.run(end())
        self.loop.close()
        self.folder.cleanup()


TestPool = PoolMachine.TestCase
TestPool.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
