"""A process for a student's cells with no barrier but a process group: for tests, and where nothing better is offered.

Section:
    All sections; class grading.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab_support.grading.beside.json_lines import JsonLines

MODULE = "lab_support.grading.beside.plain"


@dataclass(frozen=True, slots=True)
class PlainProcess:
    """A started process and the link to it."""

    link: JsonLines
    started: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill the process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.started.pid, signal.SIGKILL)


@contextmanager
def plain_process(folder: Path) -> Iterator[PlainProcess]:
    """Start a process that works in a folder; kill it and its group when the block is left."""
    ours, theirs = socket.socketpair()
    environment = {"PATH": os.environ.get("PATH", ""), "LAB_PROGRESS": "off", "LAB_HOME": str(folder)}
    with ours, theirs:
        started = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", MODULE, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        process = PlainProcess(JsonLines(ours), started)
        try:
            yield process
        finally:
            process.kill()
            started.wait()


def main() -> None:
    """Serve the judge whose socket was inherited, until it hangs up."""
    from lab_support.grading.beside.kernel import serve_cells

    serve_cells(JsonLines(socket.socket(fileno=int(sys.argv[1]))))
    os._exit(0)


if __name__ == "__main__":
    main()
