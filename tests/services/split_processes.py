"""The split shop as real processes: `lab serve` and `lab relay`, started, asked, killed."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

LIMIT_S = 60
LAMP = {"customer_id": "ada", "pay_by": "credit", "items": [{"sku": "LAMP-7", "quantity": 2}]}


@contextmanager
def lab(*arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command with these settings and no others, and leave no process behind."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "lab_support.cli", *arguments],
        env=outside | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


@contextmanager
def serving(data: Path, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start `lab serve` and give it with its address, as soon as it answers."""
    with lab("serve", "--port", "0", "--data", str(data), *arguments, **settings) as process:
        yield process, address_of(process)


def first_line(process: subprocess.Popen[str]) -> str:
    """Wait for the first line of a process; fail when it ends without one."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate(timeout=LIMIT_S)
    return line


def address_of(process: subprocess.Popen[str]) -> str:
    line = first_line(process)
    found = re.match(r"The shop answers at (http://\S+:[1-9]\d*) \(", line)
    assert found, line
    return found[1]


def stop(process: subprocess.Popen[str], sent: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
    """Ask a process to end, and return its status and what else it said."""
    process.send_signal(sent)
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, out, err


async def until(true: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again and again until the answer is true, and return it."""
    async with asyncio.timeout(LIMIT_S):
        while not (answer := await true()):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.02)
        return answer


async def ended(address: str, location: str) -> str:
    """Wait for the end of an order and return its status."""
    async with httpx.AsyncClient(base_url=address) as client:

        async def at_its_end() -> str:
            status = str((await client.get(location)).raise_for_status().json()["status"])
            return "" if status.startswith("PENDING") else status

        return str(await until(at_its_end))
