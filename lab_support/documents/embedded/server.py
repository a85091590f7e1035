"""The embedded server's thread, its event loop and its connections.

Section:
    13.7, "What this lesson's server is, and is not"
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import quote

from lab_support.documents.embedded.engine import Connection, Engine
from lab_support.documents.embedded.wire import WireError, encode_reply, read_request

_READ_AHEAD_BYTES = 1 << 20
_PAUSE_S = 0.5


class EmbeddedMongo:
    """A MongoDB for drivers of this machine, in a thread of its own with a loop of its own.

    It must not run on the driver's loop: `close()` of a client would wait there for itself.

    Args:
        folder: Where documents are kept; they survive a restart and a kill. None keeps them in memory.
        socket_path: A Unix socket to listen on besides, for processes that reach no network.

    Section:
        13.7, "What this lesson's server is, and is not"
    """

    def __init__(self, folder: Path | None = None, *, socket_path: Path | None = None) -> None:
        self.folder, self.socket_path = folder, socket_path
        self.engine: Engine | None = None
        self._port: int | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address for a client, without a database.

        Raises:
            RuntimeError: The server is not running.
        """
        if self._port is None:
            raise RuntimeError("The embedded MongoDB is not running. Call start() first.")
        return f"mongodb://127.0.0.1:{self._port}/"

    @property
    def socket_url(self) -> str | None:
        """The address by the Unix socket, without a database; None where there is none."""
        return None if self.socket_path is None else f"mongodb://{quote(str(self.socket_path), safe='')}/"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._clients)

    @property
    def connections_made(self) -> int:
        """How many connections there have been since the start; a driver's own monitor counts as well."""
        return 0 if self.engine is None else self.engine.connections_made

    def start(self) -> Self:
        """Listen on a free port of 127.0.0.1; return when clients can connect.

        Raises:
            RuntimeError: It runs already.
            StorageError: The folder cannot be used, or another server uses it.
        """
        if self._thread is not None:
            raise RuntimeError("This embedded MongoDB runs already. Make a second one for a second server.")
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="embedded-mongo", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            failure, self._thread = self._failure, None
            raise failure
        return self

    def close(self) -> None:
        """Hang up on all clients, close the files and end the thread. Closing twice does nothing more."""
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None or loop is None or stopping is None:
            return
        with suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stopping.set)
        thread.join()
        self._thread = self._port = None

    def __enter__(self) -> Self:
        """Start, unless it runs already."""
        return self if self._thread is not None else self.start()

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # the caller of start() gets it
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        engine = self.engine = Engine(self.folder)
        try:
            with ExitStack() as open_sockets:
                near = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
                doors = [near]
                if self.socket_path is not None:
                    doors.append(open_sockets.enter_context(_door_at(self.socket_path)))
                for listening in doors:
                    listening.setblocking(False)
                    loop.add_reader(listening, self._accept, listening)
                self._port = near.getsockname()[1]
                self._ready.set()
                await self._stopping.wait()
                for listening in doors:
                    loop.remove_reader(listening)
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
        finally:
            engine.close()

    def _accept(self, listening: socket.socket) -> None:
        """Take the next connection. `asyncio.start_server` would lose one that comes while it closes."""
        loop = asyncio.get_running_loop()
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # no more files: those who wait stay in the queue for a while
            loop.remove_reader(listening)
            loop.call_later(_PAUSE_S, self._accept_again, listening)
            return
        client = loop.create_task(self._converse(accepted), name="client of embedded MongoDB")
        self._clients.add(client)
        client.add_done_callback(partial(self._forget, accepted))

    def _accept_again(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _forget(self, accepted: socket.socket, client: asyncio.Task[None]) -> None:
        accepted.close()
        self._clients.discard(client)

    async def _converse(self, accepted: socket.socket) -> None:
        """Answer a client until it goes; whoever sends no messages is hung up on without an answer."""
        engine = self.engine
        if engine is None:
            return
        reader, writer = await asyncio.open_connection(sock=accepted, limit=_READ_AHEAD_BYTES)
        connection = engine.connect(reader.at_eof)
        try:
            with suppress(WireError, ConnectionError):
                await _answer_all(engine, connection, reader, writer)
        finally:
            engine.disconnect(connection)
            writer.transport.abort()


def _door_at(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen(512)
    return door


async def _answer_all(
    engine: Engine, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while (request := await read_request(reader)) is not None:
        reply = await engine.answer(connection, request.body)
        if reply is None:
            return
        if request.wants_reply:
            writer.write(encode_reply(request, reply))
            await writer.drain()
