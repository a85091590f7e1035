"""`lab serve --split`: a process for each service and relay, one address, nothing left behind."""

import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from lab_support.services.buying import Buyer, Wish
from lab_support.services.splitting import serve_split
from tests.services.split_processes import LIMIT_S, address_of, lab, stop, until

SERVICES = ("orders", "customers", "inventory")
ONLY = [word for name in SERVICES for word in ("--service", name)]
LAMP = Wish("ada", "credit", {"LAMP-7": 1})

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


@contextmanager
def splitting(data: Path, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start `lab serve --split` and give it with its address, as soon as it answers; end whatever it started."""
    given = ("serve", "--split", "--port", "0", "--data", str(data), *arguments)
    with lab(*given, **settings) as process:
        try:
            yield process, address_of(process)
        finally:
            for one in children(process):
                with suppress(psutil.NoSuchProcess):
                    one.kill()


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def child(process: subprocess.Popen[str], *words: str) -> psutil.Process:
    """Find the process of a service or relay by its command."""
    [found] = [one for one in children(process) if one.cmdline()[3 : 3 + len(words)] == list(words)]
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """As few as an order on credit needs: three services, their relays and the front, over the embedded bus."""
    with splitting(tmp_path_factory.mktemp("shop"), *ONLY) as running:
        yield running


@pytest.fixture
async def client(shop: tuple[subprocess.Popen[str], str]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=shop[1], timeout=30) as client:
        yield client


async def test_each_service_and_each_relay_is_a_process(shop: tuple[subprocess.Popen[str], str]) -> None:
    """And none is there twice."""
    found = sorted(one.cmdline()[4] for one in children(shop[0]) if one.cmdline()[3] != "front")

    assert found == sorted([*SERVICES, *SERVICES])
    assert len(children(shop[0])) == 7


async def test_order_ends_at_the_one_address(client: httpx.AsyncClient) -> None:
    """Services and their relays, each a process of its own, end an order; each is asked at the front."""
    buyer = Buyer(client=client)
    before = (await client.get("/inventory/stock/LAMP-7")).json()["available"]

    assert await buyer.ended(await buyer.place(LAMP, "one")) == "APPROVED"
    assert (await client.get("/inventory/stock/LAMP-7")).json()["available"] == before - 1
    assert (await client.get("/customers/ada")).json()["last_order_id"] is not None
    assert (await client.get("/readyz")).json() == {"status": "ok"}


async def test_front_refuses_what_nobody_serves_and_what_is_too_large(client: httpx.AsyncClient) -> None:
    """A problem document for both; the services here are not the whole shop."""
    assert (await client.get("/catalog/products")).status_code == 404
    assert (await client.post("/orders", content=b"x" * 3_000_000)).status_code == 413
    streamed = await client.post("/orders", content=_endless())
    assert (streamed.status_code, streamed.headers["content-type"]) == (413, "application/problem+json")


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(40):
        yield b"x" * 100_000


async def test_killed_service_comes_back_at_its_address_and_its_order_ends(
    shop: tuple[subprocess.Popen[str], str], client: httpx.AsyncClient
) -> None:
    """SIGKILL for Inventory, and an order while it is away: taken at once, ended when it is back."""
    buyer = Buyer(client=client)
    killed = child(shop[0], "service", "inventory")
    command = killed.cmdline()
    killed.kill()

    assert await buyer.ended(await buyer.place(LAMP, "two")) == "APPROVED"
    assert (await buyer.ask("GET", "/inventory/stock/LAMP-7")).status_code == 200
    back = child(shop[0], "service", "inventory")
    assert back.pid != killed.pid
    assert back.cmdline() == command


async def test_children_end_when_the_supervisor_is_killed(shop: tuple[subprocess.Popen[str], str]) -> None:
    """SIGKILL leaves no time to say anything; services, relays and front see their end of the pipe close."""
    process, _ = shop
    left = children(process)
    assert len(left) == 7
    process.kill()
    _, err = process.communicate(timeout=LIMIT_S)

    async def gone() -> bool:
        return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in left)

    assert await until(gone)
    assert "inventory       | was ended by SIGKILL; it starts again in" in err  # in the test before
    assert "Traceback" not in err


def test_request_to_stop_ends_all_processes(tmp_path: Path) -> None:
    """SIGTERM, as Ctrl-C: status 0, nothing more on standard output, and nobody left."""
    with splitting(tmp_path, "--service", "orders", LAB_RELAY="false") as (process, _):
        left = children(process)
        assert len(left) == 2

        status, out, err = stop(process, signal.SIGTERM)

        assert (status, out) == (0, "")
        assert "Traceback" not in err
        assert [one for one in left if one.is_running()] == []


def fails(*arguments: str, **settings: str) -> str:
    """Wait for a shop that can't start; give all it said."""
    with lab("serve", "--split", *arguments, **settings) as process:
        out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (1, "")
    return err


def test_service_that_cannot_start_ends_all_with_its_reason(tmp_path: Path) -> None:
    """Its own line, without the password, and one of the supervisor; nothing is tried again."""
    url = "postgresql+asyncpg://clerk:hunter2@127.0.0.1:1/shop"
    err = fails("--port", "0", "--data", str(tmp_path), "--service", "orders", LAB_ORDERS_URL=url)

    assert "orders          | lab serve: " in err
    assert err.splitlines()[-1] == "lab serve: orders did not start; its own lines say why."
    assert "hunter2" not in err
    assert "starts again" not in err


def test_taken_port_and_senseless_settings_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any process is started, or any file made."""

    def refused(port: int = 0, only: tuple[str, ...] = SERVICES) -> str:
        with pytest.raises(SystemExit) as caught:
            serve_split("127.0.0.1", port, tmp_path / "data", tell=print, only=only)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(port).startswith(f"lab serve: cannot listen on 127.0.0.1:{port}")
    assert refused(only=("bakery",)).startswith("lab serve: There is no service 'bakery'")
    monkeypatch.setenv("LAB_POOL_SIZE", "many")
    assert refused().startswith("lab serve: LAB_POOL_SIZE")
