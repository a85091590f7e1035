"""Processes that are kept alive, tried with small programs: started, started again, silenced, ended."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lab_support.services import supervising
from lab_support.services.supervising import Backoff, Job, NotStartedError, Supervisor

READY = "import sys, time; print('ready', flush=True); "
WAITS = READY + "sys.stdin.read()"
LIMIT_S = 60

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


class Told:
    """What was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._more = asyncio.Event()

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))
        self._more.set()

    async def until(self, part: str) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not any(part in line for _, line in self.lines):
                self._more.clear()
                await self._more.wait()


def program(source: str, name: str = "one") -> Job:
    return Job(name, (sys.executable, "-c", source))


@asynccontextmanager
async def supervised(*jobs: Job) -> AsyncIterator[tuple[Supervisor, Told]]:
    told = Told()
    supervisor = Supervisor(told)
    try:
        await supervisor.start(jobs)
        yield supervisor, told
    finally:
        supervisor.kill()
        await supervisor.stop()


async def test_killed_child_is_started_again_and_it_is_said() -> None:
    """SIGKILL from outside: the reason and the pause are told, and there is a new process."""
    async with supervised(program(WAITS)) as (supervisor, told):
        [child] = supervisor.children
        assert child.process is not None
        first = child.process.pid
        child.kill()
        await told.until("was ended by SIGKILL; it starts again in 0.25 s")
        async with asyncio.timeout(LIMIT_S):
            while child.process.pid == first:  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.01)
        assert child.starts == 2


async def test_child_that_ends_before_it_is_ready_is_not_started_again() -> None:
    """What it says goes out, and the supervisor learns which one it was."""
    told = Told()
    supervisor = Supervisor(told)
    with pytest.raises(NotStartedError, match="two"):
        await supervisor.start([program(WAITS, "one"), program("raise SystemExit('no database')", "two")])
    await supervisor.stop()

    assert told.lines == [("two", "no database")]
    assert [child.starts for child in supervisor.children] == [1, 1]


async def test_silent_child_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who never says that it is ready does not hold up the others for ever."""
    monkeypatch.setattr(supervising, "READY_S", 0.2)
    told = Told()
    supervisor = Supervisor(told)
    with pytest.raises(NotStartedError):
        await supervisor.start([program("import sys; sys.stdin.read()")])
    assert await supervisor.stop()


async def test_child_that_ignores_the_request_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of grace, with a word about it."""
    monkeypatch.setattr(supervising, "GRACE_S", 0.3)
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + "time.sleep(300)"
    async with supervised(program(stubborn)) as (supervisor, told):
        assert not await supervisor.stop()
        await told.until("is killed")


async def test_what_a_child_has_started_ends_with_it() -> None:
    """A grandchild is of the child's process group."""
    parent = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']); "
        "print(p.pid, flush=True); sys.stdin.read()"
    )
    psutil = pytest.importorskip("psutil")
    async with supervised(program(parent)) as (supervisor, _):
        grandchild = psutil.Process(int(supervisor.children[0].greeting))
        supervisor.kill()
        await supervisor.stop()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [grandchild], LIMIT_S)
        assert gone or grandchild.status() == psutil.STATUS_ZOMBIE


async def test_endless_line_and_broken_text_are_passed_on_in_pieces() -> None:
    """Neither a line without an end nor bytes that are no text can stop the listening."""
    noisy = (
        READY
        + "sys.stderr.buffer.write(b'x' * 100_000 + b'\\n\\xff\\xfe done\\n'); sys.stderr.flush(); sys.stdin.read()"
    )
    async with supervised(program(noisy)) as (_, told):
        await told.until("done")
        assert sum(line.count("x") for _, line in told.lines) == 100_000
        assert max(len(line) for _, line in told.lines) < 20_000


def test_pauses_grow_up_to_a_limit_and_begin_anew_after_a_long_life() -> None:
    """Doubled each time; a child that has lived long gets the short pause again."""
    backoff = Backoff(first_s=1.0, most_s=5.0, calm_s=30.0)

    assert [backoff.after(0.1) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert [backoff.after(31.0), backoff.after(0.1)] == [1.0, 2.0]
