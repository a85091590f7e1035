"""The bus on NATS JetStream keeps the contract of every bus."""

import asyncio
import gc
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import nats
import pytest
from broker_contract import BrokerContract
from bus_trials import Collector, messages
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from lab_support.messaging import BrokerUnavailableError
from lab_support.messaging.broker_bus import token
from lab_support.messaging.nats_bus import NatsBus
from tests.conftest import missing

URL = "nats://127.0.0.1:4222"


@asynccontextmanager
async def a_jetstream(url: str = URL) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(url, allow_reconnect=False, connect_timeout=2)
    try:
        yield client.jetstream()
    finally:
        await client.close()


@pytest.fixture(autouse=True)
async def server() -> None:
    try:
        async with a_jetstream() as jetstream:
            await jetstream.account_info()
    except Exception as error:
        missing(f"NATS JetStream cannot be used: {error}")


@pytest.mark.nats
class TestNatsBus(BrokerContract):
    url, port = URL, 4222
    closed_port_url = "nats://me:sesame@127.0.0.1:1"

    def a_broker_bus(self, url: str | None = None, **options: Any) -> NatsBus:
        return NatsBus(url or URL, ack_wait_s=1, **options)

    async def publish_raw(self, folder: Path, topic: str, body: bytes) -> None:
        async with a_jetstream() as jetstream:
            await jetstream.publish(f"lab.{token(topic)}.event", body)

    async def knows_group(self, topic: str, group: str) -> bool:
        try:
            async with a_jetstream() as jetstream:
                await jetstream.consumer_info(f"lab-{token(topic)}", token(group))
        except NotFoundError:
            return False
        return True

    async def clean(self, topic: str, *groups: str) -> None:
        await self.clean_namespace("lab", topic, *groups)

    async def clean_namespace(self, namespace: str, topic: str, *groups: str) -> None:
        async with a_jetstream() as jetstream:
            for stream in (f"{namespace}-{token(topic)}", f"{namespace}-dead-{token(topic)}"):
                with suppress(NotFoundError):
                    await jetstream.delete_stream(stream)

    async def test_repeated_publication_is_delivered_once(self, topic: str) -> None:
        """The server knows an event by its id: a batch that a relay repeats costs nobody anything."""
        got, batch = Collector(), messages(topic, 1, 2)
        async with self.a_broker_bus() as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", got)
            await bus.publish(batch)
            await bus.publish([*batch, *messages(topic, 3)])
            async with bus.running():
                await got.until(3)
        assert got.got == [1, 2, 3]

    async def test_long_handler_keeps_its_message(self, topic: str) -> None:
        """A handler that works longer than the server waits for an acknowledgement gets no second copy."""
        got, began = Collector(), asyncio.Event()

        async def works_long(event: Any) -> None:
            await got(event)
            if not began.is_set():
                began.set()
                await asyncio.sleep(1)

        async with NatsBus(URL, ack_wait_s=0.3) as bus, asyncio.timeout(30):
            bus.subscribe(topic, "stock", works_long)
            async with bus.running():
                await bus.publish(messages(topic, 1, 2))
                await got.until(2)
        assert got.got == [1, 2]

    @pytest.mark.filterwarnings(
        "ignore::ResourceWarning"
    )  # the client leaves a refused socket to the collector
    async def test_wrong_password_is_an_unavailable_broker(self, tmp_path: Path) -> None:
        """Nobody is let in: the text says so and does not tell the password."""
        async with (
            a_server_with_a_password(tmp_path) as port,
            NatsBus(f"nats://me:sesame@127.0.0.1:{port}") as bus,
        ):
            with pytest.raises(BrokerUnavailableError, match=r"(?i)authorization") as caught:
                await bus.publish(messages("order", 1))
        assert "sesame" not in str(caught.value)
        del caught
        gc.collect()


@asynccontextmanager
async def a_server_with_a_password(folder: Path) -> AsyncIterator[int]:
    program = shutil.which("nats-server")
    if program is None:
        missing("the program nats-server is not here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        "-a",
        "127.0.0.1",
        "-p",
        str(port),
        "-js",
        "-sd",
        str(folder),
        "--user",
        "me",
        "--pass",
        "open",
    ]
    process = await asyncio.create_subprocess_exec(
        str(program), *options, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            assert process.stderr is not None
            while b"Server is ready" not in await process.stderr.readline():
                pass
        yield port
    finally:
        process.kill()
        await process.communicate()
