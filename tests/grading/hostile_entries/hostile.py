"""What a hostile student might try; each function is an entry of a confined child."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
from pathlib import Path


def hello(connection):
    connection.send({"hello": True})


def look_around(connection):
    descriptors = []
    for number in range(3, 100):
        try:
            os.fstat(number)
        except OSError:
            continue
        descriptors.append(number)
    connection.send(
        {"environment": dict(os.environ), "descriptors": len(descriptors), "modules": "pytest" in sys.modules}
    )


def attempt(connection):
    """Do what the judge asks, and tell the error's name."""
    while (asked := connection.receive()) is not None:
        try:
            ACTS[asked["act"]](asked.get("with"))
            connection.send({"outcome": "done"})
        except BaseException as error:
            connection.send({"outcome": type(error).__name__})


def _connect(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.connect(address if isinstance(address, str) else tuple(address))


def _own_server(_):
    with socket.create_server(("127.0.0.1", 0)) as server:
        _connect(server.getsockname())


def _signal(pid):
    os.kill(pid, signal.SIGKILL)


def _ptrace(pid):
    if ctypes.CDLL(None).ptrace(16, pid, 0, 0) != 0:
        raise PermissionError


def _nest(_):
    if ctypes.CDLL(None).unshare(0x10000000) != 0:
        raise PermissionError


def _mount(path):
    if ctypes.CDLL(None).mount(b"tmpfs", path.encode(), b"tmpfs", 0, None) != 0:
        raise PermissionError


def _link(path):
    Path("link").symlink_to(path)
    Path("link").read_bytes()


def _fill(path):
    with Path(path).open("wb", buffering=0) as file:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for _ in range(100):
            file.write(bytes(2**20))


ACTS = {
    "read": lambda path: Path(path).read_bytes(),
    "write": lambda path: Path(path).write_text("x"),
    "connect": _connect,
    "serve": _own_server,
    "kill": _signal,
    "ptrace": _ptrace,
    "nest": _nest,
    "mount": _mount,
    "symbolic link": _link,
    "hard link": lambda path: os.link(path, "hard"),
    "hog": lambda _: bytearray(2**30),
    "fill": _fill,
}


def daemon(connection):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            connection.send({"daemon": True})
            signal.pause()
        os._exit(0)
    signal.pause()


def fork_bomb(connection):
    connection.send({"begun": True})
    while True:
        with contextlib.suppress(OSError):
            os.fork()


def endless(connection):
    while True:
        pass


def leave(connection):
    os._exit(7)


def kill_self(connection):
    os.kill(os.getpid(), signal.SIGKILL)


def system_exit(connection):
    raise SystemExit(3)


def thread_left(connection):
    threading.Thread(target=signal.pause).start()


def garbage(connection):
    connection.send_bytes(b"\x80\x04garbage\n")


def nested(connection):
    connection.send_bytes(b"[" * 100000 + b"\n")


def huge(connection):
    connection.send_bytes(b"a" * 2**22)


def hold(connection):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.environ["LAB_HELD"])
        client.sendall(b"x")
        signal.pause()
