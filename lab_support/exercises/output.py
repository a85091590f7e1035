"""Keep what student code prints during a check, up to a limit, instead of letting it flood the notebook.

Section:
    All sections.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

KEPT_CHARACTERS = 4_000


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
    """Send standard output and standard error into a bounded stream while the block runs."""
    output = BoundedOutput()
    with redirect_stdout(output), redirect_stderr(output):
        yield output
