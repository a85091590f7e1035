"""A worker that is cancelled while it wakes up stops: nothing waits for it for ever when the application ends."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_support.database import build_engine, create_tables, session_factory
from lab_support.messaging import EmbeddedBus, Relay
from lab_support.sagas import PollingWorker
from lab_support.services.inventory.entities import InventoryBase, OutboxMessage


class Idle(PollingWorker):
    """A worker that has nothing to do."""

    async def turn(self) -> bool:
        """Find nothing."""
        return False


async def stops(run: Callable[[], object], wake: Callable[[], None], loops: int) -> bool:
    """Wake what waits, let the loop turn so many times, cancel it, and tell whether it ended."""
    task = asyncio.ensure_future(run())  # type: ignore[call-overload]
    await asyncio.sleep(0.1)
    wake()
    for _ in range(loops):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return bool(done)


@pytest.mark.parametrize("loops", range(4))
async def test_worker_stops_when_cancelled_while_waking(loops: int) -> None:
    """A wake-up that comes with the cancellation does not swallow it."""
    worker = Idle(poll_s=60)
    assert await stops(worker.run, worker.wake, loops)


@pytest.mark.parametrize("loops", range(4))
async def test_reader_stops_when_cancelled_while_waking(tmp_path: Path, loops: int) -> None:
    """The same for a group's reader of the embedded bus."""

    async def take(_event: object) -> None: ...

    async with EmbeddedBus(tmp_path / "bus.db", poll_s=60) as bus:
        reader = bus.subscribe("order", "customers", take)
        assert await stops(reader.run, reader.woken.set, loops)


@pytest.mark.parametrize("loops", range(4))
async def test_relay_stops_when_cancelled_while_waking(tmp_path: Path, loops: int) -> None:
    """The same for a relay."""
    engine = build_engine(f"sqlite+aiosqlite:///{tmp_path / 'inventory.db'}")
    await create_tables(engine, InventoryBase.metadata)
    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        relay = Relay(session_factory(engine), OutboxMessage, bus)
        assert await stops(relay.run, relay.wake, loops)
    await engine.dispose()
