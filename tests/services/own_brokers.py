"""A broker, or names on one, for one test alone: another shop with the same names would hear its events."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest

from lab_support.database import build_engine, session_factory
from lab_support.messaging import EmbeddedBus
from lab_support.messaging.broker_bus import token
from lab_support.services.participant import Around
from lab_support.services.split import ALL, Surroundings
from lab_support.settings import Settings
from tests.conftest import missing

RABBIT = "amqp://guest:guest@127.0.0.1:5672"


@pytest.fixture
async def own_nats(tmp_path: Path) -> AsyncIterator[str]:
    """Start a JetStream of its own: another shop on the same broker would hear these events."""
    program = shutil.which("nats-server")
    if program is None:
        missing("the program nats-server is not here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        str(program),
        *("-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(tmp_path / "jetstream")),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(20):
            assert process.stderr is not None
            while b"Server is ready" not in await process.stderr.readline():
                pass
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.communicate()


@pytest.fixture
async def own_rabbit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Give RabbitMQ's URL and set a namespace that no other test has; what has its name is deleted afterwards."""
    try:
        connection = await aio_pika.connect(RABBIT, timeout=5)
    except Exception as error:
        missing(f"RabbitMQ cannot be used: {error}")
    namespace = f"test_{uuid4().hex[:12]}"
    monkeypatch.setenv("LAB_BUS_NAMESPACE", namespace)
    async with connection:
        yield RABBIT
        async with connection.channel() as channel:
            for topic, group in await _heard_in_the_shop(tmp_path):
                name = f"{namespace}.{token(topic)}"
                await channel.queue_delete(f"{name}.{token(group)}")
                await channel.queue_delete(f"{name}.{token(group)}.dead")
                await channel.exchange_delete(name)


async def _heard_in_the_shop(folder: Path) -> list[tuple[str, str]]:
    """List the topics and groups of all listeners of the shop."""
    engine = build_engine(f"sqlite:///{folder / 'nobody.db'}")
    near = Surroundings(
        sessions=session_factory(engine),
        bus=EmbeddedBus(folder / "nobody-bus.db"),
        settings=Settings(),
        folder=folder,
        around=Around(),
    )
    heard = []
    for one in ALL:
        async with one.part(near) as part:
            heard += [(each.topic, each.group) for each in part.listeners]
    await engine.dispose()
    return heard
