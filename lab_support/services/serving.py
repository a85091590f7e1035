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
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from lab_support.database import DatabaseUrlError
from lab_support.pools import DatabaseUnreachableError
from lab_support.services.app import create_app
from lab_support.services.listening import CannotListenError, base_url, listen
from lab_support.services.relational import StartError
from lab_support.settings import Settings

GRACE_S = 10


def serve(host: str, port: int, data: Path | None) -> None:
    """Serve the shop until Ctrl-C or SIGTERM; its address is printed as soon as it answers.

    Args:
        host: Name or address to listen on.
        port: Port to listen on; 0 lets the system choose one.
        data: Folder in which the services keep their files; None means LAB_DATA, or else a temporary folder.

    Raises:
        SystemExit: A setting, the port or a database can't be used: one line on stderr, exit status 1.
    """
    try:
        settings = Settings() if data is None else Settings(data=data)
        with listen(host, port) as listener, suppress(KeyboardInterrupt):
            asyncio.run(_serve_on(listener, host, settings))
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise SystemExit(f"lab serve: LAB_{name} is not usable: {first['msg']}.") from error
    except (CannotListenError, DatabaseUnreachableError, DatabaseUrlError, StartError) as error:
        raise SystemExit(f"lab serve: {error}") from error


async def _serve_on(listener: socket.socket, host: str, settings: Settings) -> None:
    """Start the application first, so that its errors arrive here; stop it after the last answer."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        config = uvicorn.Config(
            app, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S
        )
        await _Server(config, f"The shop answers at {base_url(listener, host)} ({_kept(settings)}).").serve(
            [listener]
        )


def _kept(settings: Settings) -> str:
    if settings.database_url is not None:
        return "data in the database of LAB_DATABASE_URL"
    if settings.data is not None:
        return f"data in {settings.data}"
    return "data is deleted at the end; keep it with --data"


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
