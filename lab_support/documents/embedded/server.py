"""The embedded server's thread, its event loop and its connections.

Section:
    13.7, "What the embedded server is and is not"
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from lab_support.documents.embedded.engine import Connection, Engine
from lab_support.documents.embedded.wire import WireError, encode_reply, read_request


class EmbeddedMongo:
    """A MongoDB for drivers of this machine, in a thread of its own with a loop of its own.

    It must not run on the driver's loop: `close()` of a client would wait there for itself.

    Args:
        folder: Where documents are kept; they survive a restart and a kill. None keeps them in memory.

    Section:
        13.7, "What the embedded server is and is not"
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.engine: Engine | None = None
        self._port: int | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

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
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._writers)

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
        """Start."""
        return self.start()

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
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        engine = self.engine = Engine(self.folder)
        try:
            listening = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=512)
            self._port = listening.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stopping.wait()
            listening.close()
            for writer in list(self._writers):
                writer.transport.abort()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            engine.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        engine = self.engine
        if task is None or engine is None:
            return
        self._tasks.add(task)
        self._writers.add(writer)
        connection = engine.connect()
        try:
            await self._converse(engine, connection, reader, writer)
        except (WireError, ConnectionError, asyncio.CancelledError):
            pass  # whoever sends no messages, or has gone, gets no answer
        finally:
            engine.disconnect(connection)
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _converse(
        self,
        engine: Engine,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while (request := await read_request(reader)) is not None:
            reply = await engine.answer(connection, request.body)
            if reply is None:
                return
            if request.wants_reply:
                writer.write(encode_reply(request, reply))
                await writer.drain()
