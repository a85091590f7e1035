"""Who reads for a group: one reader at a time, in whatever process; the system frees the place of the dead."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import ClassVar

from lab_support.database.process_lock import try_lock


class GroupLock:
    """A group's place at one topic of one bus, kept from `acquire` to `release` or to the process's end.

    The places are files in the folder `<bus>.readers`; they may be deleted while nobody reads.
    """

    _taken_here: ClassVar[set[Path]] = (
        set()
    )  # the system's lock is the process's; this tells its readers apart

    def __init__(self, bus: Path, topic: str, group: str) -> None:
        name = hashlib.sha256(f"{topic}\0{group}".encode()).hexdigest()[:16]
        self._path = bus.resolve().with_name(f"{bus.name}.readers") / name
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        """Whether the place is ours."""
        return self._handle is not None

    def acquire(self) -> bool:
        """Take the place if it is free, and tell whether it is ours now."""
        if self._handle is not None:
            return True
        if self._path in self._taken_here:
            return False
        self._path.parent.mkdir(exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        if not try_lock(handle):
            os.close(handle)
            return False
        self._handle = handle
        self._taken_here.add(self._path)
        return True

    def release(self) -> None:
        """Give the place up; without having it, nothing happens."""
        if self._handle is not None:
            self._taken_here.discard(self._path)
            os.close(self._handle)
            self._handle = None
