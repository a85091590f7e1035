"""The PostgreSQL in the box: one server for all, whoever comes, leaves or dies."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from lab_support.database import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    build_engine,
    scratch_database,
)
from lab_support.database.postgres_user import folder_elsewhere, home_it_can_enter, programs_it_can_run

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not EmbeddedPostgres.available(), reason="the extra 'postgres' is not installed"),
]

OWNER = """
import sys
from pathlib import Path
from lab_support.database.embedded_postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).start()
print("started", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """Give a folder that every user may enter; whatever still runs in it is stopped."""
    base = Path(tempfile.mkdtemp(prefix="lab-test-"))
    base.chmod(0o755)
    yield base / "postgres"
    if (base / "postgres" / "data" / "postmaster.pid").exists():
        EmbeddedPostgres(base / "postgres").start()  # takes over from owners that a test has killed
    EmbeddedPostgres(base / "postgres").stop()
    shutil.rmtree(base)


@pytest.fixture
def owner(home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start further processes that own the server until their input ends."""
    with ExitStack() as running:

        def start() -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", OWNER, str(home)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            running.enter_context(process)
            running.callback(process.kill)
            return process

        yield start


def wait_until_started(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"


def leave(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0


def server_pid(home: Path) -> int:
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_and_wait(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    give_up_at = time.monotonic() + 10
    while lives(pid):
        assert time.monotonic() < give_up_at


async def answer(home: Path) -> int:
    engine = build_engine(await asyncio.to_thread(EmbeddedPostgres(home).url))
    try:
        async with engine.connect() as connection:
            return int(await connection.scalar(text("SELECT 41 + 1")) or 0)
    finally:
        await engine.dispose()


def test_processes_that_start_together_share_one_server(
    home: Path, owner: Callable[[], subprocess.Popen[str]]
) -> None:
    """The server outlives the first who leaves and stops with the last."""
    first, second = owner(), owner()
    for process in (first, second):
        wait_until_started(process)
    pid = server_pid(home)

    leave(first)
    assert lives(pid)
    assert server_pid(home) == pid

    leave(second)
    assert not lives(pid)
    assert not (home / "data" / "postmaster.pid").exists()


def test_killed_owner_does_not_keep_the_server_running(
    home: Path, owner: Callable[[], subprocess.Popen[str]]
) -> None:
    """Its lock died with it: the next owner takes the same server over and is the last one."""
    killed = owner()
    wait_until_started(killed)
    pid = server_pid(home)
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)

    assert asyncio.run(answer(home)) == 42
    assert server_pid(home) == pid

    EmbeddedPostgres(home).stop()
    assert not lives(pid)


def test_killed_server_is_started_again(home: Path) -> None:
    """A server that died without a word left its pid file and socket behind; neither is in the way."""
    EmbeddedPostgres(home).start()
    pid = server_pid(home)
    kill_and_wait(pid)

    assert asyncio.run(answer(home)) == 42
    assert server_pid(home) != pid


def test_pid_file_that_names_another_process_is_no_obstacle(home: Path) -> None:
    """After a reboot the number may be anybody's: here it is this test's."""
    EmbeddedPostgres(home).start()
    EmbeddedPostgres(home).stop()
    socket = home / "socket"
    (home / "data" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{home}/data\n1\n5432\n{socket}\n\n\nready\n"
    )

    assert asyncio.run(answer(home)) == 42


def test_truncated_pid_file_is_no_obstacle(home: Path) -> None:
    """A full disk can leave an empty one."""
    EmbeddedPostgres(home).start()
    EmbeddedPostgres(home).stop()
    (home / "data" / "postmaster.pid").write_text("")

    assert asyncio.run(answer(home)) == 42


def test_damaged_data_is_set_aside(home: Path) -> None:
    """Nothing of worth lives in it, so a new cluster is made; the old one can still be looked at."""
    EmbeddedPostgres(home).start()
    EmbeddedPostgres(home).stop()
    (home / "data" / "global" / "pg_control").write_bytes(b"")

    assert asyncio.run(answer(home)) == 42
    assert (home / "data.damaged" / "PG_VERSION").exists()


def test_half_made_cluster_is_made_anew(home: Path) -> None:
    """A first start that was killed leaves nothing that the next one believes in."""
    (home / "data.new" / "global").mkdir(parents=True)
    (home / "data.new" / "PG_VERSION").write_text("18\n")

    assert asyncio.run(answer(home)) == 42


def test_leftover_scratch_databases_go_at_the_next_start(home: Path) -> None:
    """A killed check could not remove its own; when the server starts, nobody can be using one."""

    async def run(sql: str) -> list[str]:
        engine = build_engine(await asyncio.to_thread(EmbeddedPostgres(home).url))
        try:
            async with engine.connect() as connection:
                free = await connection.execution_options(isolation_level="AUTOCOMMIT")
                result = await free.execute(text(sql))
                return list(result.scalars()) if result.returns_rows else []
        finally:
            await engine.dispose()

    for name in ("scratch_1", "scratch_2", "kept"):
        asyncio.run(run(f"CREATE DATABASE {name} TEMPLATE template0"))
    EmbeddedPostgres(home).stop()

    names = asyncio.run(run("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname"))
    assert names == ["kept", "postgres"]


def test_threads_that_start_together_share_one_server(home: Path) -> None:
    """A lock between processes would let threads of one process through."""
    with ThreadPoolExecutor(6) as threads:
        urls = list(threads.map(lambda _: EmbeddedPostgres(home).url(), range(6)))

    assert len(set(urls)) == 1
    assert asyncio.run(answer(home)) == 42


def test_event_loops_one_after_another_use_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing of it belongs to a loop; each check may bring its own."""
    monkeypatch.setattr("lab_support.database.scratch.EmbeddedPostgres", lambda: EmbeddedPostgres(home))
    monkeypatch.delenv("LAB_POSTGRES_URL", raising=False)

    async def count() -> int:
        async with scratch_database("postgresql", tmp_path) as url:
            engine = build_engine(url)
            async with engine.begin() as connection:
                await connection.execute(text("CREATE TABLE t AS SELECT generate_series(1, 3) AS n"))
                number = await connection.scalar(text("SELECT count(*) FROM t"))
            await engine.dispose()
            return int(number or 0)

    assert [asyncio.run(count()) for _ in range(2)] == [3, 3]


def test_long_folder_with_spaces_and_accents_works(home: Path) -> None:
    """A socket's path may have about a hundred bytes; the socket then lives in the temporary folder."""
    deep = home / "Übungen mit Leerzeichen" / "d'été, cours" / ("x" * 60)

    try:
        assert asyncio.run(answer(deep)) == 42
        assert folder_elsewhere(deep, "socket").name in EmbeddedPostgres(deep).url()
    finally:
        EmbeddedPostgres(deep).stop()
        shutil.rmtree(folder_elsewhere(deep, "socket"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root needs another user")
def test_folder_closed_to_others_stays_closed(tmp_path: Path) -> None:
    """As root the server runs as another user; it gets a place of its own, and nobody's permissions widen."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = [stat.S_IMODE(folder.stat().st_mode) for folder in (closed, *closed.parents)]

    try:
        assert asyncio.run(answer(closed / "postgres")) == 42
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in (closed, *closed.parents)] == before
    finally:
        EmbeddedPostgres(closed / "postgres").stop()
        shutil.rmtree(folder_elsewhere(closed / "postgres"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root needs another place")
def test_place_of_a_home_that_is_gone_is_cleared(tmp_path: Path) -> None:
    """Clusters made elsewhere for folders that were deleted since do not pile up."""
    gone, present = tmp_path / "gone", tmp_path / "present"
    for folder in (gone, present):
        folder.mkdir(mode=0o700)
    orphan = home_it_can_enter(gone)
    gone.rmdir()
    kept = home_it_can_enter(present)

    assert not orphan.exists()
    assert kept.exists()
    shutil.rmtree(kept)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root runs a copy")
def test_programs_closed_to_others_are_copied_once(home: Path, tmp_path: Path) -> None:
    """An environment under root's own folder is not opened for the server's user: it gets a copy that runs."""
    source = tmp_path / "pginstall18"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "postgres").write_text("#!/bin/sh\necho it runs\n")
    (source / "bin" / "postgres").chmod(0o700)
    home.mkdir()

    first, second = (programs_it_can_run(source / "bin", home) for _ in range(2))

    assert first == second
    assert first.is_relative_to(home)
    assert stat.S_IMODE((source / "bin" / "postgres").stat().st_mode) == 0o700
    done = subprocess.run([first / "postgres"], user=65534, capture_output=True, text=True, check=True)
    assert done.stdout == "it runs\n"


def test_missing_programs_name_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no wheel is installed, `available` says so and the error names the command."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert EmbeddedPostgres.available() is False
    with pytest.raises(
        EmbeddedPostgresError, match=r'constraints\.txt -e "\.\[postgres\]".*LAB_POSTGRES_URL'
    ):
        EmbeddedPostgres(tmp_path / "postgres").start()
    assert not (tmp_path / "postgres").exists()


def test_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file is in the way: the text names it and the setting that chooses another place."""
    (tmp_path / "file").write_text("")

    with pytest.raises(EmbeddedPostgresError, match=r"no place to live: .*file.*Set LAB_HOME"):
        EmbeddedPostgres(tmp_path / "file" / "postgres").start()


def test_programs_that_do_not_run_here_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel for another machine fails with its reason, not with a traceback."""
    programs = home.parent / "pginstall99" / "bin"
    programs.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (programs / name).write_bytes(b"\x7fELF")
        (programs / name).chmod(0o755)
    monkeypatch.setattr("lab_support.database.embedded_postgres.find_programs", lambda: programs)

    with pytest.raises(EmbeddedPostgresError, match=r"could not make its files in .*Exec format error"):
        EmbeddedPostgres(home).start()
    EmbeddedPostgres(home).stop()


def test_asking_whether_it_is_available_starts_nothing(home: Path) -> None:
    """The question is cheap and leaves no trace."""
    assert EmbeddedPostgres.available() is True
    assert not home.exists()
