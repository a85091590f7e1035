"""Many orders through `lab serve --split` on three kinds of database and a broker, while services are killed.

    python -m tests.proof.split_scenario 1000 nats://127.0.0.1:4222

Orders is on PostgreSQL, Customers on MariaDB, the catalogue on (embedded) MongoDB, the others on SQLite. At the end the
books are read from outside: every invariant of `invariants` has to hold. The broker should be nobody else's.
"""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psutil

from lab_support.database import scratch_database
from lab_support.messaging import EmbeddedBus
from lab_support.services.buying import Buyer
from lab_support.services.split import NAMES
from lab_support.services.traffic import TrafficPlan, TrafficReport, _let_guests_in, drive
from tests.proof.invariants import Books
from tests.proof.world import World
from tests.services.split_processes import address_of, lab

LIMIT_S = 120.0
SERVICES = (*NAMES, "catalog")
POLYGLOT = {"orders": "postgresql", "customers": "mariadb"}


async def orders_while_services_are_killed(
    orders: int, bus_url: str, folder: Path, killed: Sequence[str] = ("inventory",)
) -> dict[str, Any]:
    """Run it; give the report of the traffic, with `violations` and how often each killed service was started."""
    async with AsyncExitStack() as stack:
        urls = {name: f"sqlite+aiosqlite:///{folder / name}.db" for name in NAMES}
        for name, backend in POLYGLOT.items():
            urls[name] = await stack.enter_async_context(scratch_database(backend, folder))  # type: ignore[arg-type]
        settings = {f"LAB_{name.upper()}_URL": url for name, url in urls.items()}
        arguments = ["serve", "--split", "--port", "0", "--data", str(folder)]
        arguments += [word for name in SERVICES for word in ("--service", name)]
        with (folder / "log").open("w") as log, lab(*arguments, **settings, LAB_BUS_URL=bus_url) as process:
            reading = asyncio.create_task(asyncio.to_thread(_copy, process, log))
            try:
                return await _drive(process, urls, folder, orders, killed)
            finally:
                if process.poll() is None:
                    await asyncio.to_thread(stop_quietly, process)
                await reading


async def _drive(
    process: subprocess.Popen[str], urls: dict[str, str], folder: Path, orders: int, killed: Sequence[str]
) -> dict[str, Any]:
    address = await asyncio.to_thread(address_of, process)
    limits = httpx.Limits(keepalive_expiry=2.0)
    async with httpx.AsyncClient(base_url=address, timeout=30, limits=limits) as client:
        buyer = Buyer(client=client, patience_s=LIMIT_S)
        await _let_guests_in(buyer)
        for sku in await buyer.sold():
            await buyer.ask("PUT", f"/inventory/stock/{sku}", json={"available": orders})
        (folder / "beside").mkdir()
        world = World(urls, folder, lambda: EmbeddedBus(folder / "beside" / "bus.db"), random=Random(1))
        books = await Books.of(world)
        when = {orders * (nth + 1) // (len(killed) + 1): name for nth, name in enumerate(killed)}
        shot: dict[str, int] = {}

        def shoot(report: TrafficReport) -> None:
            if (name := when.pop(report.orders, None)) is not None:
                shot[name] = _kill(process, name)

        report = await drive(buyer, TrafficPlan(orders=orders, concurrency=16, seed=7), shoot)
        await world.start()
        violations = await _until_nothing_is_wrong(books, world)
        await world.stop()
    return {
        **report.as_dict(),
        "violations": violations,
        "killed": shot,
        "came_back": {name: _pid(process, name) not in (None, pid) for name, pid in shot.items()},
    }


async def _until_nothing_is_wrong(books: Books, world: World) -> list[str]:
    """The last letters are still under way when the last order has ended."""
    violations: list[str] = ["not asked yet"]
    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_S):
            while violations:
                violations = await books.violations(world)
                await asyncio.sleep(0.2 if violations else 0)
    return violations


def _pid(process: subprocess.Popen[str], service: str) -> int | None:
    for one in psutil.Process(process.pid).children():
        with suppress(psutil.Error):
            if one.cmdline()[3:5] == ["service", service]:
                return int(one.pid)
    return None


def _kill(process: subprocess.Popen[str], service: str) -> int:
    pid = _pid(process, service)
    assert pid is not None, f"{service} does not run"
    psutil.Process(pid).send_signal(signal.SIGKILL)
    return pid


def _copy(process: subprocess.Popen[str], log: Any) -> None:
    """Keep the pipe of what is logged empty."""
    assert process.stderr is not None
    with suppress(ValueError):  # closed meanwhile
        for line in process.stderr:
            log.write(line)


def stop_quietly(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(LIMIT_S)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        found = asyncio.run(
            orders_while_services_are_killed(
                int(sys.argv[1]), sys.argv[2], Path(scratch), ("inventory", "orders", "customers")
            )
        )
        print(json.dumps(found, indent=2))
        sys.exit(bool(found["violations"] or found["unended"]))
