"""The application on a real port: what `lab serve` calls.

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from lab_support.database import DatabaseUrlError
from lab_support.messaging import BrokerUnavailableError, BusUrlError
from lab_support.pools import DatabaseUnreachableError
from lab_support.services.app import EVERY_SERVICE, create_app
from lab_support.services.correlation import log_with_correlation
from lab_support.services.listening import CannotListenError, base_url, listen
from lab_support.services.relational import StartError
from lab_support.services.split import GATEWAY, NAMES, UnknownServiceError, split_service
from lab_support.settings import Settings

GRACE_S = 10
FOR_THE_USER = (
    BrokerUnavailableError,
    BusUrlError,
    CannotListenError,
    DatabaseUnreachableError,
    DatabaseUrlError,
    StartError,
    UnknownServiceError,
)
"""What a person can do something about."""


def serve(
    host: str,
    port: int,
    data: Path | None,
    *,
    only: Collection[str] = EVERY_SERVICE,
    relay: bool | None = None,
) -> None:
    """Serve the shop, or some of its services, until Ctrl-C or SIGTERM; the address is printed once it answers.

    Args:
        host: Name or address to listen on.
        port: Port to listen on; 0 lets the system choose one.
        data: Folder in which the services keep their files; None means LAB_DATA, or else a temporary folder.
        only: The services to serve; others run elsewhere, on the same bus.
        relay: Whether outboxes are published here; None means LAB_RELAY, or else that they are.

    Raises:
        SystemExit: A setting, the port, a database or the bus can't be used: one line on stderr, exit status 1.
    """
    try:
        given = {"data": data, "relay": relay}
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        _warn_of_loneliness(settings, only)
        log_with_correlation()
        with listen(host, port) as listener, suppress(KeyboardInterrupt):
            asyncio.run(_serve_on(listener, host, settings, only))
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise SystemExit(f"lab serve: LAB_{name} is not usable: {first['msg']}.") from error
    except FOR_THE_USER as error:
        raise SystemExit(f"lab serve: {error}") from error


async def _serve_on(listener: socket.socket, host: str, settings: Settings, only: Collection[str]) -> None:
    told = f"{', '.join(paths_of(only))}; {kept(settings, only)}"
    app = create_app(settings, only=only)
    await serve_app(app, listener, f"The shop answers at {base_url(listener, host)} ({told}).")


async def serve_app(app: FastAPI, listener: socket.socket, greeting: str) -> None:
    """Serve an application until SIGINT or SIGTERM.

    It is started first, so that its errors arrive here, and stopped after the last answer.

    Args:
        app: Any; its lifespan is run.
        listener: Where.
        greeting: Printed once it answers.
    """
    async with app.router.lifespan_context(app):
        config = uvicorn.Config(
            app, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S
        )
        await _Server(config, greeting).serve([listener])


def paths_of(only: Collection[str]) -> list[str]:
    """List the paths that these services answer."""
    named = [name for name in EVERY_SERVICE if name in only]
    split = (*NAMES, GATEWAY.name)
    return [
        path for name in named for path in ([f"/{name}"] if name not in split else split_service(name).paths)
    ]


def kept(settings: Settings, only: Collection[str]) -> str:
    """Say where the data of these services is."""
    own = {"store": "LAB_DATABASE_URL", "catalog": "LAB_MONGODB_URL"}
    variables = {name: own.get(name, f"LAB_{name.upper()}_URL") for name in only}
    elsewhere = sorted(
        variable
        for variable in variables.values()
        if getattr(settings, variable.removeprefix("LAB_").lower()) is not None
    )
    folder = "data is deleted at the end; keep it with --data"
    if settings.data is not None:
        folder = f"data in {settings.data}"
    if not elsewhere:
        return folder
    servers = f"data in the database of {' and '.join(elsewhere)}"
    return servers if len(elsewhere) == len(variables) else f"{servers}; other {folder}"


def _warn_of_loneliness(settings: Settings, only: Collection[str]) -> None:
    """Say when what runs in other processes could never be reached: the bus would be in a private folder."""
    some = any(name in NAMES for name in only)
    apart = not settings.relay or not all(name in only for name in NAMES)
    if some and apart and settings.data is None and settings.bus_url is None:
        sys.stderr.write(
            "lab serve: without --data or LAB_BUS_URL no other process can reach this bus, so orders will not end.\n"
        )
        sys.stderr.flush()


class _Server(uvicorn.Server):
    """uvicorn, which says when it answers and lets the application close in peace after a signal.

    uvicorn would raise the signal again before the lifespan has ended.
    """

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start answering, then say so."""
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(f"{self._greeting} Ctrl-C stops it.\n")
            sys.stdout.flush()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take SIGINT and SIGTERM as a request to stop, once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
