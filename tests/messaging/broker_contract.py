"""What a bus on a broker promises besides: the broker may be away, leave, and refuse."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bus_contract import BusContract
from bus_trials import Collector, messages
from proxy import Proxy

from lab_support.messaging import BrokerUnavailableError
from lab_support.messaging.broker_bus import BrokerBus


class BrokerContract(BusContract):
    """Tests of a bus on a broker."""

    port: int
    closed_port_url: str

    def a_broker_bus(self, url: str | None = None, **options: Any) -> BrokerBus:
        """Make a bus on this broker, or on another."""
        raise NotImplementedError

    async def clean_namespace(self, namespace: str, topic: str, *groups: str) -> None:
        """Remove what a bus of that namespace declared."""
        raise NotImplementedError

    def a_bus(self, folder: Path) -> BrokerBus:
        return self.a_broker_bus()

    @pytest.fixture
    async def wire(self) -> AsyncIterator[Proxy]:
        async with Proxy(self.port) as proxy:
            yield proxy

    def through(self, wire: Proxy) -> str:
        return self.url.replace(str(self.port), str(wire.port))

    async def test_absent_broker_says_so_soon(self, topic: str) -> None:
        """A closed port is an unavailable broker, told in one line without secrets, and the bus still opens."""
        url = self.closed_port_url
        async with self.a_broker_bus(url, confirm_s=3) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", Collector())
            async with bus.running():
                began = time.monotonic()
                with pytest.raises(BrokerUnavailableError, match="stay in the outbox") as caught:
                    await bus.publish(messages(topic, 1))
                with pytest.raises(BrokerUnavailableError):
                    await bus.check()
                assert time.monotonic() - began < 7

        assert "sesame" not in str(caught.value)
        assert "\n" not in str(caught.value)

    async def test_shops_of_two_namespaces_do_not_hear_each_other(self, topic: str) -> None:
        """The same topic and group, on one broker: each gets its own event alone."""
        ours, theirs = Collector(), Collector()
        one, two = self.a_broker_bus(), self.a_broker_bus(namespace="lab_test")
        async with one, two, asyncio.timeout(30):
            one.subscribe(topic, "stock", ours)
            two.subscribe(topic, "stock", theirs)
            async with one.running(), two.running():
                await one.publish(messages(topic, 1))
                await two.publish(messages(topic, 2))
                await ours.until(1)
                await theirs.until(2)
        try:
            assert (ours.got, theirs.got) == ([1], [2])
        finally:
            await self.clean_namespace("lab_test", topic, "stock")

    async def test_listening_begins_when_the_broker_comes(self, topic: str, wire: Proxy) -> None:
        """A service started before its broker hears everything once there is one."""
        got = Collector()
        await wire.cut()
        async with self.a_broker_bus(self.through(wire)) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                with pytest.raises(BrokerUnavailableError):
                    await bus.publish(messages(topic, 1))
                await wire.mend()
                await self.until_known(topic, "stock")
                await bus.publish(messages(topic, 1))
                assert await got.until(1) == [1]

    async def test_lost_connection_is_made_anew(self, topic: str, wire: Proxy) -> None:
        """Cut while a handler works: publishing fails and recovers, and the consumer goes on in order."""
        got, inside = Collector(), asyncio.Event()

        async def works(event: Any) -> None:
            if not inside.is_set():
                inside.set()
                await asyncio.Event().wait()
            await got(event)

        async with self.a_broker_bus(self.through(wire)) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", works)
            async with bus.running():
                await bus.publish(messages(topic, 1, 2))
                await inside.wait()
                await wire.cut()
                with pytest.raises(BrokerUnavailableError):
                    await bus.publish(messages(topic, 3))
                await wire.mend()
                await bus.publish(messages(topic, 3))
                assert await got.until(3) == [1, 2, 3]

    async def test_repeated_cuts_lose_nothing(self, topic: str, wire: Proxy) -> None:
        """Published again after each failure, as a relay does: every message arrives, the first time in order."""
        got = Collector()
        async with self.a_broker_bus(self.through(wire)) as bus, asyncio.timeout(60):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                for n in range(12):
                    if n % 4 == 3:
                        await got.until(n - 1)  # everybody is connected
                        await wire.cut()
                        await wire.mend()
                    await publish_until_confirmed(bus, topic, n)
                assert await got.until(11) == list(range(12))

    async def until_known(self, topic: str, group: str) -> None:
        while not await self.knows_group(topic, group):
            pass

    async def knows_group(self, topic: str, group: str) -> bool:
        """Tell whether messages for a group would be kept."""
        raise NotImplementedError


async def publish_until_confirmed(bus: BrokerBus, topic: str, n: int) -> None:
    batch = messages(topic, n)
    while True:
        try:
            return await bus.publish(batch)
        except BrokerUnavailableError:
            continue
