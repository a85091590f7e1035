"""Locks between processes that the operating system releases by itself when their holder dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE_S = 0.02


@contextmanager
def process_lock(path: Path, *, wait_s: float) -> Iterator[None]:
    """Hold a file's lock against every other process; threads of one process need a lock of their own.

    Raises:
        TimeoutError: Another process kept it longer than `wait_s` seconds.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        give_up_at = time.monotonic() + wait_s
        while not try_lock(handle):
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"Another process has held {path} for {wait_s:.0f} s. Stop it, or wait.")
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def try_lock(handle: int) -> bool:
        """Take an open file's lock if it is free; closing the file gives it back."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Take an open file's lock if it is free; closing the file gives it back."""
        try:
            # POSIX record locks: unlike flock's, a forked child does not inherit them.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
