"""One PostgreSQL cluster of the workbook's own: make, start, stop, heal.

Nothing here knows who uses the cluster; `embedded_postgres` counts its owners and serialises these calls.
The data is for judging and throw-away databases, so durability is traded for speed (`fsync = off`).

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from lab_support.database import postgres_user
from lab_support.database.postgres_programs import WINDOWS, PostgresPrograms, telling_line

_DRIVER = "postgresql+asyncpg"
_SUPERUSER = "postgres"
_PORT = 5432  # on POSIX only a part of the socket's name
_LONGEST_SOCKET_PATH = 100  # bytes; Linux allows 107, macOS 103
_START_LIMIT_S = 60
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "wal_level": "logical",  # for the CDC of 13.5
    "max_prepared_transactions": "8",  # for its two-phase commit
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgresError(RuntimeError):
    """The PostgreSQL in the box cannot be used; the text says what to do."""


class PostgresCluster:
    """A cluster in a folder. Its calls are for one process at a time.

    Attributes:
        home: Where it lives: the folder asked for, or another when the server's user may not enter that one.
    """

    def __init__(self, home: Path, programs: Path) -> None:
        self.home = postgres_user.home_it_can_enter(home)
        self._programs = PostgresPrograms(programs, self.home)
        self._data = self.home / "data"
        self._log = self._data / "server.log"
        self._sockets = self._socket_folder()

    def url(self, database: str) -> URL:
        """Return the URL of one of its databases, for SQLAlchemy with asyncpg."""
        if WINDOWS:
            return URL.create(_DRIVER, _SUPERUSER, host="127.0.0.1", port=self._port(), database=database)
        place = {"host": str(self._sockets), "port": str(_PORT)}
        return URL.create(_DRIVER, _SUPERUSER, database=database, query=place)

    def answers(self) -> bool:
        """Tell whether somebody listens where this cluster's server would."""
        family, address = self._address()
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            try:
                probe.connect(address)
            except OSError:
                return False
        return True

    def start(self) -> None:
        """Start the server, making or mending the cluster first; return when it takes connections.

        Raises:
            EmbeddedPostgresError: It does not start, even after mending.
        """
        if not (self._data / "PG_VERSION").exists():
            self._make()
        try:
            self._start_once()
        except EmbeddedPostgresError:
            self._clear_the_way()
            self._start_once()
        self._drop_leftovers()

    def _drop_leftovers(self) -> None:
        """Just after a start nobody uses a scratch database: those that are there were left by the killed."""
        found = self._psql("SELECT datname FROM pg_database WHERE datname LIKE 'scratch\\_%'")
        if names := found.stdout.split():
            self._psql(*(f'DROP DATABASE "{name}"' for name in names))

    def _psql(self, *commands: str) -> subprocess.CompletedProcess[str]:
        host, port = ("127.0.0.1", self._port()) if WINDOWS else (self._sockets, _PORT)
        options = [argument for command in commands for argument in ("-c", command)]
        return self._programs.run(
            "psql", "-XAtq", "-h", str(host), "-p", str(port), "-U", _SUPERUSER, *options
        )

    def stop(self) -> None:
        """Stop the server, ending open sessions; nothing happens when none runs."""
        if self._pg_ctl("-m", "fast", "-t", "20", "stop").returncode and self.answers():
            self._pg_ctl("-m", "immediate", "stop")

    def _make(self) -> None:
        self._set_aside_data()
        fresh = self.home / "data.new"  # renamed when complete: a killed initdb leaves no half cluster
        shutil.rmtree(fresh, ignore_errors=True)
        self._programs.own_folder(fresh)
        done = self._programs.run(
            *("initdb", "-D", fresh, "-U", _SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-sync"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        if done.returncode:
            raise EmbeddedPostgresError(
                f"PostgreSQL could not make its files in {fresh}: {telling_line(done.stdout)}. "
                "See that the disk has 100 MB free and the folder may be written to."
            )
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("\ninclude = 'lab.conf'\n")
        fresh.rename(self._data)

    def _start_once(self) -> None:
        self._programs.own_folder(self._sockets)
        self._write_settings()
        self._log.unlink(missing_ok=True)
        done = self._pg_ctl("-l", self._log, "-t", str(_START_LIMIT_S), "start")
        if done.returncode:
            said = self._log.read_text("utf-8", "replace") if self._log.exists() else done.stdout
            raise EmbeddedPostgresError(
                f"The PostgreSQL in the box did not start: {telling_line(said)} (log: {self._log}). "
                f"Delete {self.home} to begin anew, or set LAB_POSTGRES_URL to another server."
            )

    def _clear_the_way(self) -> None:
        """After a failed start: end what is left of an old server, and set damaged data aside."""
        self._pg_ctl("-m", "immediate", "-t", "10", "stop")
        if not postgres_user.runs_on(self._data):
            (self._data / "postmaster.pid").unlink(missing_ok=True)  # its number is another process's now
        if self._programs.run("pg_controldata", "-D", self._data).returncode:
            self._make()

    def _set_aside_data(self) -> None:
        if self._data.exists():
            shutil.rmtree(self.home / "data.damaged", ignore_errors=True)
            self._data.rename(self.home / "data.damaged")

    def _write_settings(self) -> None:
        values = _SETTINGS | {"port": str(_PORT), "listen_addresses": ""}
        if WINDOWS:
            values |= {"port": str(_free_port()), "listen_addresses": "127.0.0.1"}
        else:
            values |= {"unix_socket_directories": str(self._sockets)}
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in values.items()]
        settings = self._data / "lab.conf"
        settings.write_text("".join(lines), encoding="utf-8")
        settings.chmod(0o644)

    def _pg_ctl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self._programs.run("pg_ctl", "-D", self._data, "-w", *arguments)

    def _socket_folder(self) -> Path:
        near = self.home / "socket"
        plain = not set(str(near)) & set(",\"'")  # PostgreSQL reads a list of folders
        if plain and len(os.fsencode(near)) + len(f"/.s.PGSQL.{_PORT}") <= _LONGEST_SOCKET_PATH:
            return near
        return postgres_user.folder_elsewhere(self.home, "socket")

    def _address(self) -> tuple[int, Any]:
        if WINDOWS:
            return socket.AF_INET, ("127.0.0.1", self._port())
        return socket.AF_UNIX, str(self._sockets / f".s.PGSQL.{_PORT}")

    def _port(self) -> int:
        try:
            return int((self._data / "postmaster.pid").read_text().splitlines()[3])
        except (OSError, IndexError, ValueError):
            return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
