"""What every bus promises. A class of tests for each bus inherits these and supplies the bus."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from bus_trials import Collector, messages
from killing import killed

from lab_support.messaging import Bus, Event, EventTooLargeError, Message
from lab_support.pools import DatabaseUnreachableError


class BusContract(ABC):
    """Tests of a bus; each uses a topic of its own."""

    url = ""

    @pytest.fixture
    async def topic(self) -> AsyncIterator[str]:
        name = f"order-{uuid4().hex[:12]}"
        yield name
        await self.clean(name)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path

    @abstractmethod
    def a_bus(self, folder: Path) -> Bus:
        """Make a bus; two of one folder share what is published."""

    @abstractmethod
    async def publish_raw(self, folder: Path, topic: str, body: bytes) -> None:
        """Put into the topic what is no event."""

    async def clean(self, topic: str, *groups: str) -> None:
        """Remove what a topic left behind."""
        return

    async def test_each_group_gets_everything_in_order(self, folder: Path, topic: str) -> None:
        """Two groups get three hundred messages each, in the order of their publication."""
        stock, mail = Collector(), Collector()
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", stock)
            bus.subscribe(topic, "mail", mail)
            async with bus.running():
                for first in (0, 100, 200):
                    await bus.publish(messages(topic, *range(first, first + 100)))
                assert await stock.until(299) == await mail.until(299) == list(range(300))

    async def test_two_members_of_a_group_share_it_in_order(self, folder: Path, topic: str) -> None:
        """As two processes would: each message is handled by one of them, and none before its predecessor."""
        both = Collector()
        async with self.a_bus(folder) as one, self.a_bus(folder) as two, asyncio.timeout(30):
            one.subscribe(topic, "stock", both)
            two.subscribe(topic, "stock", both)
            async with one.running(), two.running():
                await one.publish(messages(topic, *range(40)))
                await both.until(39)

        assert both.got == list(range(40))

    async def test_failing_handler_ends_in_a_dead_letter(self, folder: Path, topic: str) -> None:
        """The message is tried five times before any later one, kept with its reason, and the others go on."""
        got = Collector(raises_on=(2,))
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                await bus.publish(messages(topic, 1, 2, 3))
                await got.until(3)
            letters = await bus.dead_letters(topic, "stock")

        assert got.got == [1, 2, 2, 2, 2, 2, 3]
        assert [('"n":2' in one.body, one.reason) for one in letters] == [(True, "LookupError: no product 2")]

    async def test_handler_without_its_database_makes_no_dead_letter(self, folder: Path, topic: str) -> None:
        """However often it fails because its database is away, the message waits; the later ones wait behind it."""
        got = Collector()
        tries = 0

        async def handler(event: Event) -> None:
            nonlocal tries
            tries += 1
            if tries <= 5:
                raise DatabaseUnreachableError("sqlite:///stock.db", "gone", "Wait for it.")
            await got(event)

        async with self.a_bus(folder) as bus, asyncio.timeout(60):
            bus.subscribe(topic, "stock", handler)
            async with bus.running():
                await bus.publish(messages(topic, 1, 2))
                assert await got.until(2) == [1, 2]
            assert await bus.dead_letters(topic, "stock") == []

    async def test_retried_dead_letter_comes_to_its_group_alone(self, folder: Path, topic: str) -> None:
        """Asked for, it is delivered again to the group that gave it up, and is no dead letter any more."""
        stock, mail = Collector(raises_on=(1,)), Collector()
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", stock)
            bus.subscribe(topic, "mail", mail)
            async with bus.running():
                await bus.publish(messages(topic, 1, 2))
                await stock.until(2)
            stock.raises_on, stock.got = (), []
            assert await bus.retry_dead_letters(topic, "stock") == 1
            async with bus.running():
                await stock.until(1)
                await bus.publish(messages(topic, 3))
                assert await mail.until(3) == [1, 2, 3]
            assert await bus.dead_letters(topic, "stock") == []

        assert mail.got.count(1) == 1

    async def test_what_is_no_event_is_a_dead_letter(self, folder: Path, topic: str) -> None:
        """What somebody else wrote into the topic stops nobody."""
        got = Collector()
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                await bus.publish(messages(topic, 1))
                await self.publish_raw(folder, topic, b"no event")
                await bus.publish(messages(topic, 2))
                assert await got.until(2) == [1, 2]
            [letter] = await bus.dead_letters(topic, "stock")

        assert letter.body == "no event"
        assert "cannot be read" in letter.reason

    async def test_group_gets_what_came_while_it_was_away(self, folder: Path, topic: str) -> None:
        """Once the group is known, its messages wait for it."""
        got = Collector()
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                await bus.publish(messages(topic, 1))
                await got.until(1)
            await bus.publish(messages(topic, 2, 3))
            async with bus.running():
                assert await got.until(3) == [1, 2, 3]

    async def test_stopped_handler_gets_its_message_again(self, folder: Path, topic: str) -> None:
        """Stopped in the middle of a handler, the bus delivers the message again, at once."""
        inside, got = asyncio.Event(), Collector()

        async def hangs(_event: Event) -> None:
            inside.set()
            await asyncio.Event().wait()

        async with self.a_bus(folder) as bus, asyncio.timeout(10):
            bus.subscribe(topic, "stock", hangs)
            async with bus.running():
                await bus.publish(messages(topic, 1, 2))
                await inside.wait()
        async with self.a_bus(folder) as bus, asyncio.timeout(10):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                assert await got.until(2) == [1, 2]

    @pytest.mark.parametrize("moment", ["in the handler", "before the acknowledgement"])
    async def test_killed_consumer_loses_nothing(self, folder: Path, topic: str, moment: str) -> None:
        """SIGKILL before the acknowledgement: another process gets the message again, in order."""
        got = Collector()
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                pass  # the group is known
            await bus.publish(messages(topic, 1, 2))
            await killed("dying_member.py", self.url, str(folder), topic, moment, says=moment)
            async with bus.running():
                assert await got.until(2) == [1, 2]

    async def test_what_a_killed_publisher_was_told_is_there(self, folder: Path, topic: str) -> None:
        """SIGKILL after the confirmation: the messages are delivered."""
        got = Collector()
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                await killed("dying_member.py", self.url, str(folder), topic, "published", says="published")
                assert await got.until(2) == [1, 2]

    async def test_too_large_a_message_keeps_its_batch_back(self, folder: Path, topic: str) -> None:
        """It is refused by its own name, and nothing of the batch is published; an empty batch is no error."""
        got = Collector()
        bulk = Event(type="Bulk", aggregate_type="order", aggregate_id="7", payload={"text": "x" * 300_000})
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", got)
            async with bus.running():
                with pytest.raises(EventTooLargeError):
                    await bus.publish([*messages(topic, 1), Message(topic, bulk)])
                await bus.publish([])
                await bus.publish(messages(topic, 2))
                assert await got.until(2) == [2]

    @pytest.mark.parametrize("name", ["a b.*>#/é", "x" * 255], ids=["odd", "long"])
    async def test_any_name_will_do(self, folder: Path, name: str) -> None:
        """Topics and groups are named by people; what a broker does not allow is translated."""
        topic = f"{uuid4().hex}{name}"[:255]
        got: asyncio.Queue[Event] = asyncio.Queue()
        sent = Message(topic, Event(type="T", aggregate_type="é", aggregate_id="\u2028", payload={"t": "😀"}))
        async with self.a_bus(folder) as bus, asyncio.timeout(30):
            bus.subscribe(topic, name, got.put)
            async with bus.running():
                await bus.publish([sent])
                assert await got.get() == sent.event
        await self.clean(topic, name)
