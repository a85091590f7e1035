"""Keep what student code prints during a check, up to a limit, instead of letting it flood the notebook.

Section:
    All sections.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

KEPT_CHARACTERS = 4_000
FORGOTTEN_AWAIT = re.compile(r"coroutine '(Async\w+\.\w+|\w+)' was never awaited")


class BoundedOutput(io.TextIOBase):
    """A text stream that keeps its first characters and counts the rest."""

    def __init__(self, kept: int = KEPT_CHARACTERS) -> None:
        self._room, self._pieces, self._dropped = kept, list[str](), 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Keep what still fits."""
        piece = text[: self._room]
        self._room -= len(piece)
        self._dropped += len(text) - len(piece)
        if piece:
            self._pieces.append(piece)
        return len(text)

    @property
    def text(self) -> str:
        """What was kept, and how much was not."""
        tail = f"\n… and {self._dropped:,} more characters, not kept" if self._dropped else ""
        return "".join(self._pieces) + tail


@contextmanager
def captured_output() -> Iterator[BoundedOutput]:
    """Send standard output and standard error into a bounded stream while the block runs.

    Of the warnings, only those of a forgotten `await` are kept, at the end; the others are the libraries' own affair.
    """
    output = BoundedOutput()
    with redirect_stdout(output), redirect_stderr(output), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield output
    for forgotten in sorted({str(warning.message) for warning in caught}):
        if FORGOTTEN_AWAIT.match(forgotten):
            output.write(f"{forgotten}\n")
