"""A driver that is cancelled may raise an error of its own; who is to stop stops all the same."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lab_support.database import build_engine, session_factory
from lab_support.messaging import EmbeddedBus, Event, Message, Relay
from lab_support.sagas import PollingWorker
from lab_support.services.orders.entities import OutboxMessage

LIMIT_S = 20.0


class Driver:
    """Something that waits, and takes its cancellation for an error."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def __call__(self, *_: Any) -> Any:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise AttributeError("'NoneType' object has no attribute 'decode'") from None


async def stops(run: Callable[[], Awaitable[Any]], driver: Driver) -> bool:
    """Start something, cancel it while it waits for its driver, and tell whether it was cancelled."""
    task = asyncio.ensure_future(run())
    async with asyncio.timeout(LIMIT_S):
        await driver.asked.wait()
        task.cancel()
        await asyncio.wait([task])
    return task.cancelled()


async def test_worker_stops() -> None:
    driver = Driver()

    class Worker(PollingWorker):
        async def turn(self) -> object:
            return await driver()

    assert await stops(Worker().run, driver)


async def test_relay_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, engine = Driver(), build_engine(f"sqlite:///{tmp_path / 'orders.db'}")
    relay = Relay(session_factory(engine), OutboxMessage, EmbeddedBus(tmp_path / "bus.db"))
    monkeypatch.setattr(relay, "turn", driver)

    assert await stops(relay.run, driver)
    await engine.dispose()


async def test_subscription_stops(tmp_path: Path) -> None:
    driver = Driver()
    event = Event(type="Happened", aggregate_type="order", aggregate_id="7", payload={})
    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        await bus.publish([Message("order", event)])

        assert await stops(bus.subscribe("order", "stock", driver).run, driver)
