"""A broker for one test alone: another shop on the same one would hear its events."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import missing


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
