"""The file in which every check that really ran leaves one line.

Section:
    All sections.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

VARIABLE = "LAB_CHECK_LEDGER"
PROGRESS_VARIABLE = "LAB_PROGRESS"
"""`off` keeps the checks of other people's notebooks out of the student's progress."""


class Ledger:
    """Reads what was added to a ledger since it was last asked."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0

    def new_lines(self, up_to: int | None = None) -> list[dict[str, Any]]:
        """Return the verdicts recorded since the last call; a line that is no verdict is passed over.

        Args:
            up_to: Size of the file, in bytes, when the cell ended; a cell that runs meanwhile may have added more.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                added = file.read() if up_to is None else file.read(max(up_to - self._read, 0))
        except OSError:
            return []
        self._read += len(added)
        found = []
        for line in added.splitlines():
            with suppress(ValueError):
                verdict = json.loads(line)
                if isinstance(verdict, dict) and "exercise" in verdict:
                    found.append(verdict)
        return found
