"""A confined child can do no harm, and the next one works all the same."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_support.grading.isolation.barriers import Limits
from lab_support.grading.isolation.launcher import ConfinedProcess, Confinement, IsolationError, Zygote

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's")
GUARD_S = 30.0
Spawn = Callable[..., ConfinedProcess]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as started:
        yield started


@pytest.fixture
async def spawn(zygote: Zygote, tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    children = []

    def start(entry: str, **more: object) -> ConfinedProcess:
        readable = [Path(__file__).parent / "hostile_entries"]
        child = zygote.spawn(f"hostile:{entry}", Confinement(folder, readable=readable, **more))
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
    after = start("hello")
    assert await after.receive(GUARD_S) == {"hello": True}
    after.kill()


async def outcome(child: ConfinedProcess, act: str, what: object = None) -> str:
    if not await child.certified():
        pytest.skip(f"only {await child.active()} here")
    await child.send({"act": act, "with": what})
    return (await child.receive(GUARD_S))["outcome"]


async def test_a_child_sees_one_descriptor_and_only_the_environment_it_is_given(spawn: Spawn) -> None:
    child = spawn("look_around", environment={"LAB_SEED": "1", "SECRET": "2"})
    seen = await child.receive(GUARD_S)
    assert set(seen["environment"]) == {"LAB_SEED", "HOME", "TMPDIR"}
    assert seen["descriptors"] == 1
    assert not seen["modules"]


async def test_files_outside_are_neither_read_nor_written(spawn: Spawn, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("42")
    child = spawn("attempt")
    assert await outcome(child, "read", str(secret)) == "PermissionError"
    assert await outcome(child, "read", "/etc/passwd") == "PermissionError"
    assert await outcome(child, "write", str(secret)) == "PermissionError"
    assert await outcome(child, "read", f"/proc/{os.getpid()}/environ") == "PermissionError"
    assert await outcome(child, "write", str(tmp_path / "run" / "own")) == "done"
    assert secret.read_text() == "42"


async def test_a_listener_of_the_judge_is_out_of_reach_but_an_own_server_works(spawn: Spawn) -> None:
    child = spawn("attempt")
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert await outcome(child, "connect", server.getsockname()) == "ConnectionRefusedError"
    assert await outcome(child, "serve") == "done"


async def test_a_unix_socket_in_a_given_folder_is_reachable(spawn: Spawn, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(given / "s"))
        server.listen()
        child = spawn("attempt", writable=[given])
        assert await outcome(child, "connect", str(given / "s")) == "done"


@pytest.mark.parametrize("act", ["kill", "ptrace"])
async def test_the_judge_and_the_zygote_cannot_be_touched(spawn: Spawn, zygote: Zygote, act: str) -> None:
    child = spawn("attempt")
    for pid in (os.getpid(), zygote._process.pid):
        assert await outcome(child, act, pid) in {"ProcessLookupError", "PermissionError"}


@pytest.mark.parametrize(
    ("act", "error"), [("nest", "PermissionError"), ("hog", "MemoryError"), ("fill", "OSError")]
)
async def test_what_goes_beyond_a_limit_is_refused(
    spawn: Spawn, tmp_path: Path, act: str, error: str
) -> None:
    assert await outcome(spawn("attempt"), act, str(tmp_path / "run" / "big")) == error


@pytest.mark.parametrize("act", ["mount", "symbolic link", "hard link"])
async def test_no_mount_or_link_leads_to_another_students_folder(
    spawn: Spawn, tmp_path: Path, act: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "work").write_text("theirs")
    target = str(tmp_path / "run") if act == "mount" else str(other / "work")
    assert await outcome(spawn("attempt"), act, target) in {"PermissionError", "OSError"}


async def test_a_daemon_is_gone_after_kill(spawn: Spawn) -> None:
    child = spawn("daemon")
    if not await child.certified():
        pytest.skip("without a namespace a daemon can outlive its group")
    assert await child.receive(GUARD_S) == {"daemon": True}
    child.talk.setblocking(True)
    kept = child.talk.dup()
    child.kill()
    with kept:
        assert kept.recv(1) == b""


async def test_an_endless_loop_is_ended_by_kill(spawn: Spawn) -> None:
    child = spawn("endless")
    with pytest.raises(TimeoutError):
        await child.receive(0.1)
    assert child.kill() is not None


@pytest.mark.parametrize(("entry", "code"), [("leave", 7), ("kill_self", 137), ("system_exit", 1)])
async def test_every_way_out_is_told(spawn: Spawn, entry: str, code: int) -> None:
    child = spawn(entry)
    with pytest.raises(IsolationError):
        await child.receive(GUARD_S)
    assert child.wait(GUARD_S) == code


async def test_a_thread_left_behind_does_not_keep_the_child(spawn: Spawn) -> None:
    assert spawn("thread_left").wait(GUARD_S) == 0


@pytest.mark.parametrize("entry", ["garbage", "nested", "huge"])
async def test_what_is_no_message_is_refused(spawn: Spawn, entry: str) -> None:
    with pytest.raises(IsolationError):
        await spawn(entry).receive(GUARD_S)


async def test_a_fork_bomb_ends_with_its_namespace(spawn: Spawn) -> None:
    child = spawn("fork_bomb", limits=Limits(processes=16))
    if "pid_max" not in await child.active() and os.geteuid() == 0:
        pytest.skip("nothing bounds root's processes here")
    await child.receive(GUARD_S)
    assert child.kill() is not None
