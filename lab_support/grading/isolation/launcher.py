"""The judge's side: start the zygote, ask it for confined children, talk to them, end them.

Section:
    All sections.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from lab_support.grading.isolation.barriers import Limits

MESSAGE_BYTES = 2**20
START_LIMIT_S = 60.0


class IsolationError(Exception):
    """The child ended or said what is no message; the text says which."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a child may touch: its private folder, and folders given; `readable` ones are importable."""

    folder: Path
    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    limits: Limits = field(default_factory=Limits)
    environment: Mapping[str, str] = field(default_factory=dict)


class ConfinedProcess:
    """A child in which a student's code may run; nothing it says is trusted to be more than JSON."""

    def __init__(self, talk: socket.socket, lifeline: socket.socket) -> None:
        talk.setblocking(False)
        self.talk, self._lifeline, self._buffer = talk, lifeline, b""
        self._active: tuple[str, ...] = ()
        self._has_begun = False
        self.exit_code: int | None = None

    async def active(self) -> tuple[str, ...]:
        """Return the barriers in force, told before any code of the student's ran."""
        if not self._has_begun:
            told = await self._next(START_LIMIT_S)
            self._has_begun, self._active = True, tuple(told["active"])
        return self._active

    def begun(self, limit_s: float = START_LIMIT_S) -> tuple[str, ...]:
        """Return the barriers in force, as `active`, outside any loop.

        Raises:
            IsolationError: The child ended before it began.
            TimeoutError: It did not begin in that time.
        """
        self.talk.settimeout(limit_s)
        while b"\n" not in self._buffer:
            more = self.talk.recv(4096)
            if not more:
                raise IsolationError("The child ended.")
            self._buffer += more
        self.talk.setblocking(False)
        line, _, self._buffer = self._buffer.partition(b"\n")
        self._has_begun, self._active = True, tuple(json.loads(line)["active"])
        return self._active

    async def certified(self) -> bool:
        """Whether both the namespaces and Landlock are in force."""
        return {"namespaces", "landlock"} <= set(await self.active())

    async def send(self, message: dict[str, Any], limit_s: float = 10.0) -> None:
        """Send one message.

        Raises:
            TimeoutError: The child does not read.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(limit_s):
            await loop.sock_sendall(self.talk, json.dumps(message).encode() + b"\n")

    async def receive(self, limit_s: float) -> dict[str, Any]:
        """Wait for the next message.

        Raises:
            IsolationError: The child ended, or sent something else than a JSON object of a sane size.
            TimeoutError: Nothing came in that time.
        """
        await self.active()
        return await self._next(limit_s)

    async def _next(self, limit_s: float) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(limit_s):
            while b"\n" not in self._buffer:
                if len(self._buffer) > MESSAGE_BYTES:
                    raise IsolationError("The child's message is too long.")
                try:
                    more = await loop.sock_recv(self.talk, 65536)
                except ConnectionError:
                    more = b""
                if not more:
                    raise IsolationError("The child ended.")
                self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise IsolationError("The child sent no JSON object.")
        return message

    def kill(self) -> int | None:
        """End the child and all it started, and wait until they are gone; return the exit code."""
        if self.exit_code is None and self._lifeline.fileno() >= 0:
            self._lifeline.settimeout(START_LIMIT_S)
            self._lifeline.shutdown(socket.SHUT_WR)
            self._hear_the_end()
        return self.exit_code

    def wait(self, limit_s: float) -> int | None:
        """Wait for the child to end by itself; return its exit code (128 + n for signal n).

        Raises:
            TimeoutError: It did not.
        """
        if self.exit_code is None and self._lifeline.fileno() >= 0:
            self._lifeline.settimeout(limit_s)
            self._hear_the_end()
        return self.exit_code

    def _hear_the_end(self) -> None:
        said = self._lifeline.recv(64)
        self.exit_code = int(said) if said else None
        self.talk.close()
        self._lifeline.close()


class Zygote:
    """A clean process that has the libraries loaded; leaving the block ends it."""

    def __enter__(self) -> Zygote:
        """Start it and wait until it is ready."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-I", "-m", "lab_support.grading.isolation.zygote", str(theirs.fileno())],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket.settimeout(START_LIMIT_S)
        if self._socket.recv(16) != b"ready":
            raise IsolationError("The zygote did not start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; children end with their own lifelines."""
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def spawn(self, entry: str, confinement: Confinement) -> ConfinedProcess:
        """Fork a confined child that calls `entry` ("module:function") with its connection."""
        request = {
            "entry": entry,
            "folder": str(confinement.folder.resolve()),
            "writable": [str(path.resolve()) for path in confinement.writable],
            "readable": [str(path.resolve()) for path in confinement.readable],
            "limits": asdict(confinement.limits),
            "environment": {k: v for k, v in confinement.environment.items() if k.startswith("LAB_")},
        }
        talk, theirs = socket.socketpair()
        lifeline, guards = socket.socketpair()
        with theirs, guards:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [theirs.fileno(), guards.fileno()])
        return ConfinedProcess(talk, lifeline)
