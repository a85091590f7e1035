"""One act in a process of its own, forked from a clean server in which the libraries are loaded already.

Used by *write a test* exercises: each mutant meets the student's test in a process where nothing is left of the last.

Section:
    13.1.6, 13.3.4 and 13.6.6.
"""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cloudpickle

from lab_support.exercises.model import Load

if TYPE_CHECKING:
    from lab_support.exercises.rival import Meeting

METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
RIVAL_NOW = {"rival": "now"}
_context: Any = multiprocessing.get_context(METHOD)


class FreshProcess:
    """A process for one act, in a new folder below `folder`; killed when the block is left, whatever it does.

    Raises:
        FreshProcessError: The student's object cannot leave this process, or the process ended without an answer.
    """

    def __init__(
        self,
        exercise_id: str,
        act: str,
        objects: Mapping[str, object],
        url: str,
        folder: Path,
        load: Load | None = None,
        documents_url: str | None = None,
    ) -> None:
        self._work = (exercise_id, act, _pack(objects), url, str(folder), load or Load(), documents_url)

    def __enter__(self) -> FreshProcess:
        """Start the process."""
        start_fork_server()
        self._ours, theirs = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(theirs, *self._work), daemon=True)
        with _nameless_main():
            self._process.start()
        theirs.close()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process if it still runs, and forget it."""
        self.kill()
        self._process.join()
        self._process.close()
        self._ours.close()

    def kill(self) -> None:
        """Kill the process; harmless when it has ended."""
        try:
            self._process.kill()
        except ValueError:
            return  # closed already

    async def ask(self, inputs: Mapping[str, Any], meeting: Meeting | None = None) -> dict[str, Any]:
        """Send the inputs and wait for the answer; the rival of `meeting` comes in this process.

        Raises:
            FreshProcessError: The process ended without an answer.
        """
        before = meeting.before if meeting else None
        self._ours.send_bytes(json.dumps({"inputs": dict(inputs), "rival_before": before}).encode())
        answer = await self._receive()
        if meeting is not None and answer == RIVAL_NOW:
            await meeting.come()
            self._ours.send_bytes(b"{}")
            answer = await self._receive()
        return answer

    async def _receive(self) -> dict[str, Any]:
        await _readable(self._ours)
        try:
            received: dict[str, Any] = json.loads(self._ours.recv_bytes())
        except (EOFError, ConnectionError):
            raise FreshProcessError("The process that ran your code ended before the code did.") from None
        return received


def start_fork_server() -> None:
    """Start the server, with the libraries loaded, where there is one and it does not run yet."""
    if METHOD == "forkserver":
        _context.set_forkserver_preload([__name__, "lab_support.exercises.preloaded"])
        with _nameless_main():
            forkserver.ensure_running()


def fork_server_runs() -> bool:
    """Tell whether this process has started a server."""
    return METHOD == "forkserver" and forkserver._forkserver._forkserver_pid is not None  # type: ignore[attr-defined]  # noqa: SLF001


class FreshProcessError(Exception):
    """The student's code and a fresh process did not get on; the text says what to do."""


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Hide the main script while a process starts: the child would run it again, with whatever it holds."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _pack(objects: Mapping[str, object]) -> bytes:
    try:
        packed: bytes = cloudpickle.dumps(dict(objects))
    except Exception as error:
        raise FreshProcessError(
            "Your code uses something from another cell that cannot enter a fresh process "
            f"({error}). Create it inside your function instead."
        ) from None
    return packed


async def _readable(connection: Connection) -> None:
    """Wait, without a thread, until the connection has something to read or is closed."""
    if sys.platform == "win32":
        while not connection.poll():  # noqa: ASYNC110 - Windows offers no event for a pipe
            await asyncio.sleep(0.01)
        return
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())


def _serve(
    connection: Connection,
    exercise_id: str,
    act: str,
    packed: bytes,
    url: str,
    folder: str,
    load: Load,
    documents_url: str | None,
) -> None:
    """Perform one act in this process and answer in JSON."""
    from lab_support.exercises.attempt import attempt_on
    from lab_support.exercises.channel import describe_error, perform
    from lab_support.exercises.registry import find
    from lab_support.exercises.rival import Meeting, interrupted
    from lab_support.exercises.story import Answer

    async def call_the_rival() -> None:
        connection.send_bytes(json.dumps(RIVAL_NOW).encode())
        await _readable(connection)
        connection.recv_bytes()

    async def work() -> Answer:
        asked = json.loads(connection.recv_bytes())
        objects, before = cloudpickle.loads(packed), asked["rival_before"]
        meeting = Meeting(before, call_the_rival) if before else None
        async with attempt_on(url, objects, load, documents_url) as attempt:
            with interrupted(attempt.engine, meeting):
                return await perform(find(exercise_id).acts[act], attempt, asked["inputs"])

    os.chdir(tempfile.mkdtemp(dir=folder))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        try:
            answer = asyncio.run(work())
        except BaseException as error:
            answer = Answer(error=describe_error(error))
    connection.send_bytes(json.dumps(asdict(answer)).encode())
    connection.close()
    os._exit(0)
