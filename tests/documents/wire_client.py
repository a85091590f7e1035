"""A client that sends bytes: messages that no driver would send."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson
from pymongo.uri_parser import parse_uri

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013


def header(length: int, opcode: int = OP_MSG, request_id: int = 7) -> bytes:
    """Give a message's header with any length in it."""
    return struct.pack("<iiii", length, request_id, 0, opcode)


def message(payload: bytes, opcode: int = OP_MSG) -> bytes:
    """Give a message with a true length."""
    return header(16 + len(payload), opcode) + payload


def command(body: dict[str, Any], flags: int = 0, *, sequences: bytes = b"", tail: bytes = b"") -> bytes:
    """Give an OP_MSG that holds a command."""
    return message(struct.pack("<I", flags) + b"\0" + bson.encode(body) + sequences + tail)


def sequence(name: str, documents: list[dict[str, Any]]) -> bytes:
    """Give a section of kind 1: an argument whose documents come one after the other."""
    content = name.encode() + b"\0" + b"".join(map(bson.encode, documents))
    return b"\1" + struct.pack("<i", 4 + len(content)) + content


def query(body: dict[str, Any], namespace: str = "admin.$cmd") -> bytes:
    """Give an OP_QUERY, as old drivers say hello."""
    return message(
        struct.pack("<i", 0) + namespace.encode() + b"\0" + struct.pack("<ii", 0, -1) + bson.encode(body),
        OP_QUERY,
    )


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """Open a socket to a server; reading waits three seconds at most."""
    with socket.create_connection(parse_uri(url)["nodelist"][0], timeout=3) as made:
        yield made


def read_exactly(stream: socket.socket, size: int) -> bytes:
    """Read so many bytes.

    Raises:
        ConnectionError: The server has hung up before.
    """
    read = b""
    while len(read) < size:
        part = stream.recv(size - len(read))
        if not part:
            raise ConnectionError(f"only {len(read)} of {size} bytes came")
        read += part
    return read


def read_reply(stream: socket.socket) -> dict[str, Any]:
    """Read an answer, of either form."""
    length, _, answered, opcode = struct.unpack("<iiii", read_exactly(stream, 16))
    payload = read_exactly(stream, length - 16)
    assert answered == 7
    return bson.decode(payload[20:] if opcode == OP_REPLY else payload[5:])


def is_hung_up(stream: socket.socket) -> bool:
    """Wait for the server to close the connection; False when it answers or stays silent for three seconds."""
    try:
        return stream.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
