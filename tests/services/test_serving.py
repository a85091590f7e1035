"""The shop as a real process on a real port."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

LIMIT_S = 60
SERVE = """
import sys
from pathlib import Path
from lab_support.services.serving import serve

host, port, data = sys.argv[1:]
serve(host, int(port), Path(data) if data else None)
"""
LAMP = {"product_name": "Desk lamp", "price": "24.90"}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


def start(
    port: int = 0, data: Path | None = None, host: str = "127.0.0.1", **settings: str
) -> subprocess.Popen[str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE, host, str(port), str(data or "")],
        env=outside | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(data: Path | None = None, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server, wait for the line that gives its address, and leave no process behind."""
    process = start(data=data, **settings)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"The shop answers at (http://\S+:[1-9]\d*) \(.+\)\. Ctrl-C stops it\.\n", line)
        assert found, f"{line!r} {process.communicate(timeout=LIMIT_S)}"
        yield process, found[1]
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


def stop(process: subprocess.Popen[str], sent: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
    process.send_signal(sent)
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, out, err


def fails(process: subprocess.Popen[str]) -> str:
    """Wait for a server that can't start and give its one line of explanation."""
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
    assert (process.returncode, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith("lab serve: ")
    return err


def test_data_survives_a_restart(tmp_path: Path) -> None:
    """What was stored under --data is there in the next process, and Ctrl-C ends each without a word."""
    data = tmp_path / "données du magasin"
    with serving(data) as (process, address):
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        created = httpx.post(f"{address}/store/products", json=LAMP)
        assert created.status_code == 201
        assert stop(process) == (0, "", "")
    with serving(data) as (process, address):
        found = httpx.get(address + created.headers["location"])
        assert found.json() == created.json()
        assert stop(process, signal.SIGTERM) == (0, "", "")

    names = {file.name for file in data.iterdir() if file.suffix == ".db"}
    services = {"orders.db", "customers.db", "payments.db", "inventory.db", "gateway.db"}
    assert names == {"store.db", "bus.db", "provider.db"} | services


def test_data_without_a_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    """Without --data the server leaves nothing behind."""
    with serving(TMPDIR=str(tmp_path)) as (process, address):
        assert httpx.post(f"{address}/store/products", json=LAMP).status_code == 201
        assert list(tmp_path.iterdir())
        assert stop(process) == (0, "", "")

    assert list(tmp_path.iterdir()) == []


def test_open_connection_does_not_delay_the_end() -> None:
    """A client that keeps its connection open is no reason to wait."""
    with serving() as (process, address), httpx.Client() as client:
        assert client.get(f"{address}/healthz").status_code == 200
        assert stop(process) == (0, "", "")


def test_huge_body_is_refused_on_a_real_socket() -> None:
    """A server refuses 10 MB without reading them, and goes on serving."""
    with serving() as (process, address):
        try:
            answer = httpx.post(f"{address}/store/products", content=b"x" * 10_000_000)
            assert answer.status_code == 413
        except httpx.WriteError:
            pass  # the server may close before the client has sent everything
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert stop(process) == (0, "", "")


def test_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    """A taken port is named, with what to do, before any file is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = fails(start(port, tmp_path / "data"))

    assert f"127.0.0.1:{port}" in line
    assert "--port" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 80808), ("203.0.113.1", 0)])
def test_impossible_address_is_told_in_one_line(host: str, port: int) -> None:
    """An address that is not this machine's, or no port at all, is refused."""
    assert f"{host}:{port}" in fails(start(port, host=host))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"LAB_DATABASE_URL": "postgresql://clerk:hunter2@127.0.0.1:1/shop"}, r"clerk:\*\*\*@127\.0\.0\.1:1"),
        ({"LAB_DATABASE_URL": "oracle://clerk:hunter2@host/shop"}, "oracle"),
        ({"LAB_POOL_SIZE": "many"}, "LAB_POOL_SIZE"),
    ],
    ids=["unreachable", "unknown", "no number"],
)
def test_unusable_setting_is_told_in_one_line(settings: dict[str, str], told: str) -> None:
    """A wrong setting is named, and a password in it is not."""
    line = fails(start(**settings))

    assert re.search(told, line)
    assert "hunter2" not in line


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the folder should be is told in one line."""
    (tmp_path / "file").write_text("")

    assert "file" in fails(start(data=tmp_path / "file"))
