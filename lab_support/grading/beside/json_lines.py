"""One JSON object a line over a socket, of bounded length; neither side believes what the other one sends.

Section:
    All sections; class grading.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any

LONGEST_LINE = 8 * 1024 * 1024
"""In bytes. The longest honest answers are timelines of some thousand statements."""

_PIECE = 65536


class LinkError(Exception):
    """The other side is gone, or sent something that is no JSON object of acceptable length."""


class JsonLines:
    """A conversation over a connected socket, on whatever loop runs at the moment; close it when it is over."""

    def __init__(self, connected: socket.socket, *, longest: int = LONGEST_LINE) -> None:
        connected.setblocking(False)
        self._socket, self._longest, self._read = connected, longest, bytearray()

    async def send(self, line: Mapping[str, Any]) -> None:
        """Send one object.

        Raises:
            LinkError: The other side is gone.
        """
        try:
            await asyncio.get_running_loop().sock_sendall(
                self._socket, json.dumps(line, allow_nan=True).encode() + b"\n"
            )
        except OSError as error:
            raise LinkError(f"The other side is gone: {error}.") from error

    async def receive(self) -> dict[str, Any]:
        """Wait for one object.

        Raises:
            LinkError: There comes none.
        """
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > self._longest:
                raise LinkError(f"The other side sent a line of more than {self._longest:,} bytes.")
            self._read += await self._more()
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return _object(line)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    async def _more(self) -> bytes:
        try:
            piece = await asyncio.get_running_loop().sock_recv(self._socket, _PIECE)
        except OSError as error:
            raise LinkError(f"The other side is gone: {error}.") from error
        if not piece:
            raise LinkError("The other side has hung up.")
        return piece


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LinkError("The other side sent something that is no JSON.") from error
    if not isinstance(found, dict):
        raise LinkError("The other side sent JSON that is no object.")
    return found
