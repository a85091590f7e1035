"""One seed, one life of the shop: orders, duplicates, delays, failures, deaths and restarts, and then the books.

`python -m tests.proof.simulation --seed 4711` replays a seed and prints each step.
"""

import argparse
import asyncio
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import update

from lab_support.database import fault
from lab_support.messaging import BrokerUnavailableError
from lab_support.services.payments.simulated_provider import EVERYBODY, Odds, Outcome
from lab_support.services.split import NAMES
from tests.proof.inline_sqlite import inline_sqlite
from tests.proof.invariants import Books
from tests.proof.quiet import become_quiet
from tests.proof.simulated_bus import Misfortunes, SimulatedBus, SimulatedLog
from tests.proof.world import World

STEPS: Final = 70
ORDERS: Final = 4
CUSTOMERS: Final = ("ada", "ada", "ada", "ada", "grace", "linus", "nobody")
SKUS: Final = ("DESK-1", "DESK-1", "LAMP-7", "LAMP-7", "MUG-2", "CABLE-9")
ODDS: Final = Odds(declined=0.15, timeout=0.15, down=0.05)


class BrokenInvariantError(AssertionError):
    """A seed ended wrong; the text says how, and which command replays it."""

    def __init__(self, seed: int, found: Sequence[str], log: Sequence[str]) -> None:
        self.seed, self.log = seed, log
        told = "\n  ".join(found)
        super().__init__(
            f"seed {seed}:\n  {told}\nReplay it: .venv/bin/python -m tests.proof.simulation --seed {seed}"
        )


class Life:
    """One run of a seed."""

    def __init__(self, seed: int, world: World, log: SimulatedLog, books: Books) -> None:
        self.seed, self.world, self.log, self.books = seed, world, log, books
        self.random = world.random
        self.story: list[str] = []
        self.placed = 0
        self._due: list[int] = sorted(self.random.sample(range(STEPS // 2), ORDERS))

    async def run(self) -> None:
        """Live through all steps, come to rest, let a person decide what is in review, and come to rest again."""
        for number in range(STEPS):
            if number in self._due:
                await self._place()
            await self._step()
            await self._watch()
        self.log.misfortunes.stop()
        await self._rest("the end")
        await self._mend()
        for _ in range(2):
            if await self._resolve():
                await self._rest("the reviews")

    async def _step(self) -> None:
        if (luck := self.random.random()) < 0.05:
            await self._move_clock()
        elif luck < 0.07:
            await self._restart()
        elif luck < 0.10:
            await self._mischief()
        else:
            await self._turn()

    async def _turn(self) -> None:
        """Let one of those who have something to do take a turn; now and then one who has not."""
        turns: list[tuple[str, Callable[[], Awaitable[Any]], str]] = [
            (one.group, one.deliver_next, f"{one.topic} to {one.group}")
            for one in self.world.subscriptions
            if one.queue
        ]
        for name, part in self.world.parts.items():
            needs = await self.world.needs(name)
            if needs.outbox or self.random.random() < 0.03:
                turns.append((name, part.relay.turn, f"relay of {name}"))
            if needs.work and (
                name != "orders" or self.random.random() < 0.15
            ):  # most of Orders' work waits for time
                turns += [(name, one.turn, f"{type(one).__name__} of {name}") for one in part.workers]
        if turns:
            await self._perhaps_failing(*self.random.choice(turns))

    async def _place(self) -> None:
        random = self.random
        coordination = random.choice(("choreography", "orchestration"))
        pay_by = random.choice(("credit", "card"))
        items = {sku: random.randint(1, 2) for sku in random.sample(SKUS, random.choice((1, 1, 2)))}
        customer = random.choice(CUSTOMERS)
        order = await self.world.place(coordination, pay_by, customer, items)
        self.placed += 1
        self._tell(f"{customer} orders {items} by {pay_by} ({coordination}): {order}")

    async def _move_clock(self) -> None:
        seconds = self.random.choice((0.5, 3.0, 12.0, 40.0, -20.0))
        self.world.clock.move(seconds)
        self._tell(f"clock {seconds:+}")

    async def _restart(self) -> None:
        self._tell("restart")
        await self.world.restart()

    async def _mischief(self) -> None:
        """Let the outside world misbehave."""
        await self.random.choice(
            (self._provider_refuses, self._provider_fails, self._range_ends, self._silence)
        )()

    async def _provider_refuses(self) -> None:
        self._tell("the provider refuses a refund")
        await self.world.provider.script(EVERYBODY, Outcome.REFUSE, call="refund")

    async def _provider_fails(self) -> None:
        call = self.random.choice(("charge", "refund"))
        outcome = self.random.choice((Outcome.DOWN, Outcome.TIMEOUT_BEFORE, Outcome.TIMEOUT_AFTER))
        self._tell(f"the provider from now on: {outcome} at each {call}")
        await self.world.provider.script(EVERYBODY, outcome, call=call, lasting=True)

    async def _range_ends(self) -> None:
        self._tell("DESK-1 is discontinued")
        await self._set_discontinued(True)

    async def _silence(self) -> None:
        """Let a minute pass in which Orders hears nothing, and looks at its deadlines."""
        self._tell("silence")
        self.world.touch("orders")
        for _ in range(4):
            self.world.clock.move(15.0)
            for worker in self.world.parts["orders"].workers:
                await worker.turn()

    async def _perhaps_failing(self, name: str, act: Callable[[], Awaitable[Any]], what: str) -> None:
        """Take one turn of a service; in some, an error or a death is waiting at one of its statements."""
        self._tell(what)
        self.world.touch(name)
        if self.random.random() > 0.15:
            await self._tolerating(act, reached=lambda: False)
            return
        place: dict[str, Any] = self.random.choice(
            [{"at_commit": True}, {"after_commit": True}, {"after_statement": self.random.randint(1, 6)}]
        )
        how = self.random.choice(("error", "die", "cancel"))
        with fault(self.world.engines[name], how=how, **place) as injected:
            await self._tolerating(act, reached=lambda: injected.reached)
        if injected.reached:
            self._tell(f"  {how} {place}")
            if how == "die":
                await self.world.restart()

    async def _tolerating(self, act: Callable[[], Awaitable[Any]], *, reached: Callable[[], bool]) -> None:
        """Take a turn; what raises must have been told to."""
        try:
            outcome = await act()
        except BrokerUnavailableError as error:
            self._tell(f"  {error}")
        except Exception as error:
            if not reached():
                raise
            self._tell(f"  {error!r}")
        else:
            self._tell(f"  {outcome}")
            if outcome == "failed" and not reached():
                self._demand(["a handler failed without a reason"])

    async def _watch(self) -> None:
        """Look at the statuses, if Orders did something."""
        if not self.world.touched("orders"):
            return
        async with self.world.engines["orders"].connect() as connection:
            rows = await connection.exec_driver_sql("SELECT id, status FROM orders")
            statuses = {one.id: one.status for one in rows}
        self._demand(self.books.watch(statuses))

    async def _rest(self, when: str) -> None:
        self._tell(f"--- {when}")
        self._demand(await become_quiet(self.world, self._tell))
        self._demand(await self.books.violations(self.world))

    async def _mend(self) -> None:
        await self.world.provider.forget_scripts()
        await self._set_discontinued(False)

    async def _resolve(self) -> int:
        desk = self.world.desks["choreography"]
        reviews = await desk.reviews.listed(open_only=True)
        for review in reviews:
            resolution = self.random.choice(("retry", "settled"))
            self._tell(
                f"a person decides: {resolution} {review.action} of {review.order_id} ({review.reason})"
            )
            self.world.touch("orders")
            await desk.reviews.resolve(review.id, resolution, "looked at")
        return len(reviews)

    async def _set_discontinued(self, gone: bool) -> None:
        stock = self.world.table("inventory", "stock")
        async with self.world.engines["inventory"].begin() as connection:
            await connection.execute(update(stock).where(stock.c.sku == "DESK-1").values(discontinued=gone))

    def _demand(self, found: Sequence[str]) -> None:
        if found:
            raise BrokenInvariantError(self.seed, found, self.story)

    def _tell(self, what: str) -> None:
        self.story.append(f"{self.world.clock.now:%H:%M:%S} {what}")


class Stage:
    """A folder with the databases of a fresh shop, in which one seed after the other is played."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.fresh = folder / "shop", folder / "fresh"
        for one in (self.folder, self.fresh):
            one.mkdir()
        self._world: World | None = None
        self.stories: list[str] = []

    async def play(self, seed: int) -> Life:
        """Play one seed from its beginning to its end.

        Raises:
            BrokenInvariantError: It ended wrong.
        """
        random = Random(seed)
        log = SimulatedLog(random, Misfortunes())
        world = await self.fresh_world(random, log, provider_seed=seed)
        with same_ids(seed):
            await world.start()
            try:
                life = Life(seed, world, log, await Books.of(world))
                self.stories = life.story
                await life.run()
            finally:
                await world.stop()
        return life

    async def fresh_world(self, random: Random, log: SimulatedLog, *, provider_seed: int | None) -> World:
        """Give the shop as it was at first, not yet started; there is one at a time."""
        if self._world is None:
            await self._build(self.fresh, Random(0), log)
        for old in self.folder.iterdir():
            old.unlink()
        for file in self.fresh.iterdir():
            shutil.copy(file, self.folder)
        if self._world is None:
            self._world = _world_in(self.folder, random, log)
        world = self._world
        world.begin_anew(random, lambda: SimulatedBus(log))
        world.provider._seed = provider_seed
        return world

    @staticmethod
    async def _build(folder: Path, random: Random, log: SimulatedLog) -> None:
        world = _world_in(folder, random, log)
        await world.create()
        for engine in world.engines.values():
            async with engine.connect() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            await engine.dispose()


def _world_in(folder: Path, random: Random, log: SimulatedLog) -> World:
    urls = {name: f"sqlite+aiosqlite:///{folder / name}.db" for name in NAMES}
    return World(urls, folder, lambda: SimulatedBus(log), random=random, provider_seed=0, odds=ODDS)


@contextmanager
def same_ids(seed: int) -> Iterator[None]:
    """Have UUIDs drawn from the seed, so that a replay is the same to the letter."""
    ids = Random(f"ids of {seed}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", ids.randbytes)
        yield


@contextmanager
def stage() -> Iterator[Stage]:
    """Give a stage, in memory where the system has a folder for that; no thread is started, and no warning logged."""
    memory = Path("/dev/shm")  # noqa: S108
    where = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    logger = logging.getLogger("lab_support")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with tempfile.TemporaryDirectory(prefix="lab-proof-", dir=where) as folder, inline_sqlite():
            yield Stage(Path(folder))
    finally:
        logger.setLevel(before)


def main() -> int:
    parser = argparse.ArgumentParser(description="Replay one seed of the simulation, step by step.")
    parser.add_argument("--seed", type=int, required=True)
    seed = parser.parse_args().seed
    with stage() as played:
        try:
            asyncio.run(played.play(seed))
        except AssertionError as error:
            sys.stdout.write("\n".join([*played.stories, str(error), ""]))
            return 1
        sys.stdout.write("\n".join([*played.stories, f"seed {seed} ended well", ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
