"""Orders from their first request to their end: through `lab serve --split` beside the same shop in one process.

Both shops keep four databases on PostgreSQL and talk over NATS. The buyers take a share of the same machine, so the
figures are lower than a shop alone would reach. On few cores neither shop is clearly the faster; what many processes
bring is that they may be on many machines, and fail one by one.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from os import environ
from pathlib import Path

import httpx
from rich.console import Console

from benchmarks.ratios import Ratio, ratio
from lab_support.database import scratch_database
from lab_support.services.buying import Buyer
from lab_support.services.split import NAMES
from lab_support.services.traffic import TrafficPlan, drive

ORDERS, AT_ONCE, PAIRS = 32, 16, 3
PIECES = 100_000
START_S = 120.0


class NotHereError(Exception):
    """A program that is measured is not on this machine, or does not start."""


def ratios() -> list[Ratio]:
    """Measure both shops in turn; without PostgreSQL or NATS nothing is measured."""
    try:
        return [asyncio.run(split_beside_one_process())]
    except Exception as error:
        Console(stderr=True).print(f"The split shop is not measured here: {error}")
        return []


async def split_beside_one_process() -> Ratio:
    """Send the same orders to both, pair by pair; the first pair warms up."""
    seconds: dict[str, list[float]] = {"split": [], "one": []}
    async with AsyncExitStack() as opened:
        shops = {
            "split": await opened.enter_async_context(_shop("--split")),
            "one": await opened.enter_async_context(_shop()),
        }
        for number in range(PAIRS + 1):
            for name, buyer in shops.items():
                report = await drive(buyer, TrafficPlan(orders=ORDERS, concurrency=AT_ONCE, seed=number))
                if not report.ok:
                    raise NotHereError(report.unended[0])
                seconds[name].append(report.seconds)
    split, one = seconds["split"][1:], seconds["one"][1:]
    what = (
        f"order through --split ({_rate(split)} in a second) : through one process ({_rate(one)}), "
        f"{AT_ONCE} at once, PostgreSQL and NATS"
    )
    return ratio(what, [ours / plain for ours, plain in zip(split, one, strict=True)], None)


def _rate(seconds: list[float]) -> str:
    return f"{ORDERS / statistics.median(seconds):.1f}"


@asynccontextmanager
async def _shop(*arguments: str) -> AsyncIterator[Buyer]:
    """Serve a shop on new databases and a broker of its own, with stock for everybody."""
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        settings = {"LAB_BUS_URL": await opened.enter_async_context(_nats(folder))}
        for name in NAMES:
            url = await opened.enter_async_context(scratch_database("postgresql", folder))
            settings[f"LAB_{name.upper()}_URL"] = url
        words = [word for name in NAMES for word in ("--service", name)]
        serve = ("serve", "--port", "0", "--data", str(folder / "data"), *words, *arguments)
        command = (sys.executable, "-m", "lab_support.cli", *serve)
        address = await opened.enter_async_context(
            _running(command, rb"answers at (http://\S+)", folder, settings)
        )
        client = await opened.enter_async_context(httpx.AsyncClient(base_url=address, timeout=30.0))
        buyer = Buyer(client=client)
        for sku in await buyer.sold():
            await buyer.ask("PUT", f"/inventory/stock/{sku}", json={"available": PIECES})
        yield buyer


@asynccontextmanager
async def _nats(folder: Path) -> AsyncIterator[str]:
    """Start a broker: another shop on the same one would hear these events."""
    program = shutil.which("nats-server")
    if program is None:
        raise NotHereError("there is no program nats-server.")
    command = (program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(folder / "jetstream"))
    listens = rb"client connections on (\S+)"
    async with _running((*command, "-l", "/dev/stdout"), listens, folder, {}) as address:
        yield f"nats://{address}"


@asynccontextmanager
async def _running(
    command: tuple[str, ...], ready: bytes, folder: Path, settings: Mapping[str, str]
) -> AsyncIterator[str]:
    """Run a program, give what its line on standard output says when it is ready, and end it.

    Raises:
        NotHereError: It ends, or says nothing of the kind in time.
    """
    outside = {name: value for name, value in environ.items() if not name.startswith("LAB_")}
    errors = folder / f"{Path(command[0]).name}.log"
    with errors.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env={**outside, **settings}, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    reading: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(START_S):
            while (found := re.search(ready, line := await process.stdout.readline())) is None:
                if not line:
                    last = errors.read_text(errors="replace").strip().rpartition("\n")[2]
                    raise NotHereError(f"{Path(command[0]).name} ended: {last}")
        reading = asyncio.create_task(_drain(process.stdout))
        yield found[1].decode()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        if reading is not None:
            await reading


async def _drain(stream: asyncio.StreamReader) -> None:
    """Read on, so that no full pipe stops the program."""
    while await stream.read(65536):
        pass
