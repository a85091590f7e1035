"""A confined process for a student's cells: the barriers of `isolation`, and the conversation of `student_process`.

Section:
    All sections; class grading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab_support.grading.beside.json_lines import JsonLines
from lab_support.grading.beside.kernel import serve_cells
from lab_support.grading.isolation.connection import Connection
from lab_support.grading.isolation.launcher import ConfinedProcess, Confinement, Zygote

ENTRY = f"{__name__}:main"


@dataclass(frozen=True, slots=True)
class ConfinedKernel:
    """A confined child that serves the judge.

    Attributes:
        barriers: What is in force, told before any cell ran.
    """

    link: JsonLines
    child: ConfinedProcess
    barriers: tuple[str, ...]

    def kill(self) -> None:
        """End the child and all it started."""
        self.child.kill()


@contextmanager
def confined_kernel(
    zygote: Zygote, confinement: Confinement, *, reachable: Sequence[Path] = ()
) -> Iterator[ConfinedKernel]:
    """Start one; it is ended when the block is left.

    Args:
        zygote: Forks it.
        confinement: What it may touch.
        reachable: Folders with sockets of servers that it may use.
    """
    given = Confinement(
        confinement.folder,
        (*confinement.writable, *reachable),
        confinement.readable,
        confinement.limits,
        confinement.environment,
    )
    child = zygote.spawn(ENTRY, given)
    try:
        barriers = child.begun()
        yield ConfinedKernel(JsonLines(child.talk), child, barriers)
    finally:
        child.kill()


def main(connection: Connection) -> None:
    """Serve the judge at the other end, in the confined child."""
    serve_cells(JsonLines(connection.talk))
