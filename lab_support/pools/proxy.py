"""A wire to a server that can be cut, stalled, delayed and closed to newcomers, to see what its clients make of it.

It listens on the loopback address only, and passes bytes without looking at them.

Section:
    13.10, "Stale connections"
"""

from __future__ import annotations

import asyncio
import math
import socket
from contextlib import suppress
from functools import partial
from typing import Final, Self

from sqlalchemy import URL, make_url

_LOOPBACK: Final = "127.0.0.1"
_CHUNK_BYTES: Final = 65_536
_CHUNKS_ON_THE_WAY: Final = 64
_PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mongodb": 27017}


class FaultProxy:
    """Passes bytes between a port of its own and a server, as long as it is let.

    Clients use `proxy.through(url)` instead of the server's own URL. Faults take effect at once, for open connections
    and for new ones where both apply; `mend` ends them all.

    Args:
        url: The server's: `postgresql`, `mysql`, `mariadb` or `mongodb`, with one host or a directory of sockets.

    Attributes:
        port: Where it listens; 0 before the first `async with`.
        connections_made: How many connections it has accepted.

    Raises:
        ValueError: The URL names no server that could be reached through a port.

    Section:
        13.10, "Stale connections"
    """

    def __init__(self, url: str | URL) -> None:
        self._target = _target_of(make_url(url))
        self.port = 0
        self.connections_made = 0
        self._delay_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._listening: socket.socket | None = None
        self._wires: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._wires)

    def through(self, url: str | URL) -> str:
        """Return a URL of the server with this proxy's address in it, password included.

        Raises:
            RuntimeError: The proxy has not been started.
        """
        if not self.port:
            raise RuntimeError(
                "This proxy has no port yet. Enter `async with FaultProxy(url) as proxy` first."
            )
        plain = make_url(url).difference_update_query(["host", "port", "unix_socket"])
        return plain.set(host=_LOOPBACK, port=self.port).render_as_string(hide_password=False)

    def cut(self) -> None:
        """Close every open connection without a word; new ones are let in."""
        for wire in self._wires:
            wire.cancel()

    def stall(self) -> None:
        """Pass nothing on, and close nothing: like a firewall that has forgotten the connection."""
        self._flowing.clear()

    def delay(self, seconds: float) -> None:
        """Pass everything on later: by so many seconds in each direction, so an answer takes twice as long.

        Raises:
            ValueError: The seconds are no number of 0 or more.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"A delay of {seconds} s makes no sense; give a number of seconds, 0 or more.")
        self._delay_s = seconds

    def refuse(self) -> None:
        """Let no new connection in, as if no server were there; open ones are not touched."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    async def mend(self) -> None:
        """End every fault: let newcomers in at the same port, and pass everything on at once.

        Raises:
            OSError: Somebody else has taken the port meanwhile.
        """
        self._delay_s = 0.0
        self._flowing.set()
        if self._listening is None:
            self._listening = socket.create_server((_LOOPBACK, self.port))
            self._listening.setblocking(False)
            self.port = self._listening.getsockname()[1]
            asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection and the port."""
        self.refuse()
        self.cut()
        await asyncio.gather(*self._wires, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        """Take the next connection. `asyncio.start_server` would lose one that comes while it closes."""
        try:
            accepted, _ = listening.accept()
        except OSError:
            return  # the caller has gone again
        self.connections_made += 1
        wire = asyncio.create_task(self._carry(accepted), name="wire of a fault proxy")
        self._wires.add(wire)
        wire.add_done_callback(partial(self._forget, accepted))

    def _forget(self, accepted: socket.socket, wire: asyncio.Task[None]) -> None:
        accepted.close()
        self._wires.discard(wire)

    async def _carry(self, accepted: socket.socket) -> None:
        """Carry one connection's bytes both ways until both sides have ended, or one of them breaks."""
        reader, writer = await asyncio.open_connection(sock=accepted)
        there: asyncio.StreamWriter | None = None
        try:
            back, there = await self._reach()
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._pass_on(reader, there))
                both_ways.create_task(self._pass_on(back, writer))
        except* OSError:
            pass  # the server cannot be reached, or a side has hung up: the other is told by the end of its connection
        finally:
            for side in (writer, there):
                if side is not None:
                    side.transport.abort()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection(*self._target)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one direction on; a queue in between keeps the order while several chunks are being delayed."""
        clock = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_ON_THE_WAY)

        async def deliver() -> None:
            while True:
                due, data = await on_the_way.get()
                await asyncio.sleep(due - clock.time())
                await self._flowing.wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            with suppress(OSError):  # the other side may have gone meanwhile
                writer.write_eof()

        async with asyncio.TaskGroup() as direction:
            direction.create_task(deliver())
            data = b"-"
            while data:  # an empty one is the end, and is delivered in its turn too
                data = await reader.read(_CHUNK_BYTES)
                await on_the_way.put((clock.time() + self._delay_s, data))


def _target_of(url: URL) -> str | tuple[str, int]:
    """Find the server's address: host and port, or the path of its Unix socket."""
    backend = url.get_backend_name() if not url.drivername.startswith("mongodb") else url.drivername
    if backend not in _PORTS:
        raise ValueError(
            f"There is no wire to '{url.drivername}'; use a URL of one of {', '.join(sorted(_PORTS))}."
        )
    port = url.port or _PORTS[backend]
    directory = url.query.get("host", "")
    if isinstance(directory, str) and directory.startswith("/"):
        return f"{directory}/.s.PGSQL.{url.query.get('port', port)}"
    socket = url.query.get("unix_socket")
    return socket if isinstance(socket, str) else (url.host or _LOOPBACK, port)
