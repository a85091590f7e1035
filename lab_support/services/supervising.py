"""Processes that are kept alive: started, listened to, started again with growing pauses, and ended together.

Each child leads a process group of its own, so Ctrl-C in a terminal reaches the supervisor alone, which ends them in
turn; and whatever a child has started goes with it. Each gets a pipe as standard input that only closes: a child that
watches it (`supervised`) also ends when the supervisor was killed.

Section:
    13.9, "One command, many processes"
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

GRACE_S: Final = 15.0
"""How long a child may take to end after SIGTERM, in seconds."""
READY_S: Final = 60.0
"""How long it may take to say its first line, in seconds."""
_LONGEST_LINE: Final = 8192

Tell = Callable[[str, str], object]
"""Gets the name of a child, and a line about it or of its own."""


class NotStartedError(Exception):
    """A child ended, or kept silent, before it was ready for the first time."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a child is to do.

    Attributes:
        name: For people.
        command: The program and its arguments.
        settings: Environment variables beside those of this process.
    """

    name: str
    command: Sequence[str]
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start: twice as long each time, and little again after a long life.

    Attributes:
        first_s: The first pause, in seconds.
        most_s: No pause is longer, in seconds.
        calm_s: Who has lived so long, in seconds, begins anew.
    """

    first_s: float = 0.25
    most_s: float = 15.0
    calm_s: float = 30.0
    _next_s: float = 0.0

    def after(self, lived_s: float) -> float:
        """Give the pause after a life of so many seconds."""
        if lived_s >= self.calm_s or not self._next_s:
            self._next_s = self.first_s
        pause, self._next_s = self._next_s, min(self._next_s * 2, self.most_s)
        return pause


class Child:
    """One job, in a process that is started again whenever it ends.

    Args:
        job: What to do.
        tell: Told every line, and what becomes of the process.
        backoff: The pauses between two starts.
    """

    def __init__(self, job: Job, tell: Tell, *, backoff: Backoff | None = None) -> None:
        self.job = job
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0
        self.greeting = ""
        self._told = tell
        self._backoff = backoff or Backoff()
        self._ready, self._stopping = asyncio.Event(), asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and wait for its first line on standard output, which it says when it is ready.

        Raises:
            NotStartedError: It ended before, or kept silent; it is not started again.
        """
        self._keeping = asyncio.create_task(self._keep(), name=f"keeps {self.job.name}")
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({self._keeping, ready}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self._ready.is_set():
            await self.stop()
            raise NotStartedError(f"{self.job.name} did not start")

    async def stop(self) -> bool:
        """End it for good; return whether it ended by itself, within the time of grace."""
        self._stopping.set()
        if self._keeping is None:
            return True
        self._send(signal.SIGTERM)
        done, _ = await asyncio.wait({self._keeping}, timeout=GRACE_S)
        if done:
            return True
        self._tell(f"does not end within {GRACE_S:g} s, and is killed")
        self.kill()
        await asyncio.wait({self._keeping})
        return False

    def kill(self) -> None:
        """End it, and whatever it has started, at once."""
        self._send(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            how = await self._live()
            if self._stopping.is_set() or not self._ready.is_set():
                return
            pause_s = self._backoff.after(time.monotonic() - begun)
            self._tell(f"{how}; it starts again in {pause_s:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _live(self) -> str:
        """Start the process, pass its lines on until it ends, and say how it ended."""
        process = self.process = await asyncio.create_subprocess_exec(
            *self.job.command,
            env={**os.environ, **self.job.settings, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self.starts += 1
        if self._stopping.is_set():
            self._send(signal.SIGTERM)  # the request came while it was being started
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - both are pipes
        await asyncio.gather(self._greet(process.stdout), self._pass_on(process.stderr), process.wait())
        if process.returncode is not None and process.returncode < 0:
            return f"was ended by {signal.Signals(-process.returncode).name}"
        return f"ended with status {process.returncode}"

    async def _greet(self, stream: asyncio.StreamReader) -> None:
        async for line in lines(stream):
            if self._ready.is_set():
                self._tell(line)
            else:
                self.greeting = line
                self._ready.set()

    async def _pass_on(self, stream: asyncio.StreamReader) -> None:
        async for line in lines(stream):
            self._tell(line)

    def _tell(self, line: str) -> None:
        self._told(self.job.name, line)

    def _send(self, what: signal.Signals) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            if sys.platform == "win32":
                process.terminate()
            else:
                os.killpg(process.pid, what)


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Give the lines of a stream; one that never ends is cut, so that memory does not."""
    rest = b""
    while chunk := await stream.read(_LONGEST_LINE):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
        if len(rest) > _LONGEST_LINE:
            yield rest.decode(errors="replace")
            rest = b""
    if rest:
        yield rest.decode(errors="replace")


class Supervisor:
    """Children that begin one stage after the other and end together.

    Args:
        tell: Told every line.
    """

    def __init__(self, tell: Tell) -> None:
        self.children: list[Child] = []
        self._tell = tell

    async def start(self, jobs: Sequence[Job]) -> list[Child]:
        """Start a stage, all its jobs at once, and return them when each is ready.

        Raises:
            NotStartedError: One of them did not start; call `stop`.
        """
        stage = [Child(job, self._tell) for job in jobs]
        self.children += stage
        results = await asyncio.gather(*(child.start() for child in stage), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return stage

    async def stop(self) -> bool:
        """End all children; return whether each ended by itself."""
        return all(await asyncio.gather(*(child.stop() for child in self.children)))

    def kill(self) -> None:
        """End all children at once."""
        for child in self.children:
            child.kill()
