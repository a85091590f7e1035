"""The clean process that forks confined children; it never runs a line of a student's, and has one thread.

It is started by `launcher`, with an empty environment and one socket. For each request it forks a guard, which
enters the namespaces, starts their first process, and ends it all when its lifeline is closed.

Section:
    All sections.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from lab_support.grading.isolation import barriers
from lab_support.grading.isolation.connection import Connection

DRIVERS = ("sqlite.aiosqlite", "postgresql.asyncpg")
Request = dict[str, Any]


def main(number: int) -> None:
    """Serve requests until the socket is closed."""
    server = socket.socket(fileno=number)
    importlib.import_module("lab_support.exercises.preloaded")
    for driver in DRIVERS:
        name = driver.rpartition(".")[2]
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(f"sqlalchemy.dialects.{driver}")
            importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(server, 65536, 2)
        if not message:
            return
        with contextlib.suppress(OSError):  # no process left: the judge sees the child's end
            _fork_guard(server, message, descriptors)
        for one in descriptors:
            os.close(one)


def _fork_guard(server: socket.socket, message: bytes, descriptors: list[int]) -> None:
    if os.fork() == 0:
        server.close()
        _in_child(lambda: _guard(json.loads(message), *descriptors))


def _in_child(work: Callable[[], object]) -> NoReturn:
    status = 1
    with contextlib.suppress(BaseException):
        work()
        status = 0
    os._exit(status)


def _guard(request: Request, talk: int, lifeline: int) -> None:
    """Start the first process of the namespaces; end it when the lifeline closes, and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    active = ["namespaces"] if barriers.enter_namespaces() else []
    first = os.fork()
    if first == 0:
        os.close(lifeline)
        _in_child(lambda: _first_process(request, talk, active))
    os.close(talk)
    ended = os.pidfd_open(first)
    ready, _, _ = select.select([ended, lifeline], [], [])
    if not active:  # no namespace ends the rest, so the group has to
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(first, signal.SIGKILL)
    if lifeline in ready:
        os.kill(first, signal.SIGKILL)
    _, status = os.waitpid(first, 0)
    with contextlib.suppress(OSError):
        os.write(lifeline, b"%d" % os.waitstatus_to_exitcode(status))


def _first_process(request: Request, talk: int, active: list[str]) -> NoReturn:
    """Start the student's process, reap what it leaves, and end with it; its end ends the namespace."""
    barriers.die_with_parent()
    os.setsid()
    if active:
        active += barriers.limit_namespace(request["limits"]["processes"])
    student = os.fork()
    if student == 0:
        _in_child(lambda: _student(request, talk, active))
    barriers.close_descriptors(os.open(os.devnull, os.O_RDONLY))
    while True:
        ended, status = os.wait()
        if ended == student:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _student(request: Request, talk: int, active: list[str]) -> None:
    """Raise every barrier, then call the entry."""
    folder = Path(request["folder"])
    barriers.close_descriptors(talk)
    os.environ.clear()
    os.environ.update(request["environment"], HOME=str(folder), TMPDIR=str(folder))
    os.chdir(folder)
    limits = barriers.Limits(**request["limits"])
    steps: list[tuple[str, Callable[[], bool]]] = [
        ("limits", lambda: barriers.limit_resources(limits)),
        ("no new privileges", barriers.forbid_new_privileges),
        ("no capabilities", barriers.drop_capabilities),
        (
            "landlock",
            lambda: barriers.restrict_files(
                [folder, *map(Path, request["writable"])],
                [Path(path) for path in request["readable"]],
                network="namespaces" in active,
            ),
        ),
    ]
    active += [name for name, step in steps if step()]
    connection = Connection(socket.socket(fileno=talk))
    connection.send({"active": active})
    sys.path += request["readable"]
    module, _, function = request["entry"].partition(":")
    getattr(importlib.import_module(module), function)(connection)


if __name__ == "__main__":
    main(int(sys.argv[1]))
