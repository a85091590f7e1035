"""Reasons to look at the labs again: a notebook was written, or a second passed.

The operating system tells of writes at once. The second is for what it does not tell: a write before the watch
began, a network drive, a folder that was deleted and made again.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from watchfiles import Change, watch
from watchfiles.main import FileChange

SECOND_MS = 1_000
SETTLED_MS = 20
AT_MOST_MS = 200


def saves(home: Path, work: Path) -> Iterator[None]:
    """Yield at every change of a notebook below `work`, and at least once a second; survives the folder's loss."""
    polling: bool | None = None
    while True:
        folder = _identity(work)
        try:
            for _ in _changes(work if folder else home, deep=folder is not None, polling=polling):
                yield
                if _identity(work) != folder:
                    break
        except FileNotFoundError:
            yield
        except OSError:  # the system watches no more files
            if polling:
                raise
            polling = True


def _changes(place: Path, *, deep: bool, polling: bool | None) -> Iterator[set[FileChange]]:
    return watch(
        place,
        watch_filter=_is_notebook if deep else None,
        debounce=AT_MOST_MS,
        step=SETTLED_MS,
        rust_timeout=SECOND_MS,
        yield_on_timeout=True,
        force_polling=polling,
        recursive=deep,
    )


def _is_notebook(_change: Change, path: str) -> bool:
    return path.endswith(".ipynb")


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        about = folder.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino
