"""MongoDB's wire protocol: OP_MSG, and the OP_QUERY with which a driver says hello.

Section:
    13.7, "What this lesson's server is, and is not"
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from itertools import count
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidDocument

Document = dict[str, Any]

MAX_MESSAGE_BYTES = 48_000_000
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
MAX_WRITE_BATCH = 100_000

CODEC: CodecOptions[Document] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_CHECKSUM, _MORE_TO_COME, _EXHAUST_ALLOWED = 1, 2, 1 << 16
_KNOWN_FLAGS = _CHECKSUM | _MORE_TO_COME | _EXHAUST_ALLOWED
_HEADER = struct.Struct("<iiii")
_INT = struct.Struct("<i")
_UINT = struct.Struct("<I")
_reply_ids = count(1)


class WireError(Exception):
    """Bytes that are no message; the connection they came on is closed."""


@dataclass(frozen=True, slots=True)
class Request:
    """One command as it arrived.

    Attributes:
        request_id: The driver's number, which the answer repeats.
        body: The command; its first key is its name, `$db` its database.
        wants_reply: False for unacknowledged writes (`w: 0`).
        legacy: Whether it came as OP_QUERY and is answered with OP_REPLY.
    """

    request_id: int
    body: Document
    wants_reply: bool = True
    legacy: bool = False


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next message; None when the client has hung up between two messages.

    Raises:
        WireError: The bytes are no message this server reads: a wrong length, opcode, flag, section or BSON.
    """
    try:
        header = await reader.readexactly(_HEADER.size)
        length, request_id, _, opcode = _HEADER.unpack(header)
        if not _HEADER.size < length <= MAX_MESSAGE_BYTES:
            raise WireError(f"a message cannot have {length} bytes")
        if opcode not in (_OP_MSG, _OP_QUERY):
            raise WireError(f"opcode {opcode} is not spoken here")
        payload = await reader.readexactly(length - _HEADER.size)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise WireError("the connection ended in the middle of a message") from error
        return None
    return parse(request_id, opcode, payload)


def parse(request_id: int, opcode: int, payload: bytes) -> Request:
    """Read the command in a message whose header has been taken off.

    Raises:
        WireError: The payload does not hold exactly one command.
    """
    try:
        return _parse_msg(request_id, payload) if opcode == _OP_MSG else _parse_query(request_id, payload)
    except WireError:
        raise
    except Exception as error:  # the BSON decoder raises many classes on hostile bytes
        raise WireError(f"the message cannot be read: {error}") from error


def encode_reply(request: Request, reply: Document) -> bytes:
    """Give the bytes of an answer, in the form in which the request came."""
    try:
        body = bson.encode(reply)
    except (InvalidDocument, OverflowError) as error:
        text = f"The answer cannot be sent: {error}"
        body = bson.encode({"ok": 0.0, "errmsg": text, "code": 1, "codeName": "InternalError"})
    if request.legacy:
        body = struct.pack("<iqii", 8, 0, 0, 1) + body
        opcode = _OP_REPLY
    else:
        body = b"\0\0\0\0\0" + body
        opcode = _OP_MSG
    number = next(_reply_ids) & 0x7FFFFFFF
    return _HEADER.pack(_HEADER.size + len(body), number, request.request_id, opcode) + body


def _parse_msg(request_id: int, payload: bytes) -> Request:
    (flags,) = _UINT.unpack_from(payload)
    if flags & 0xFFFF & ~_KNOWN_FLAGS:
        raise WireError(f"unknown flags {flags:#x}")
    end = len(payload) - 4 if flags & _CHECKSUM else len(payload)
    body: Document | None = None
    sequences: Document = {}
    position = 4
    while position < end:
        kind = payload[position]
        position += 1
        size = _size_at(payload, position, end)
        section = memoryview(payload)[position : position + size]
        position += size
        if kind == 0 and body is None:
            body = bson.decode(section, CODEC)
        elif kind == 1:
            name, documents = _sequence(bytes(section))
            if name in sequences:
                raise WireError(f"the sequence '{name}' comes twice")
            sequences[name] = documents
        else:
            raise WireError(f"section {kind} is not expected here")
    if not body or sequences.keys() & body.keys():
        raise WireError("the message has no command, or names an argument twice")
    return Request(request_id, body | sequences, wants_reply=not flags & _MORE_TO_COME)


def _parse_query(request_id: int, payload: bytes) -> Request:
    end_of_name = payload.index(b"\0", 4)
    namespace = payload[4:end_of_name].decode()
    position = end_of_name + 9
    size = _size_at(payload, position, len(payload))
    body = bson.decode(payload[position : position + size], CODEC)
    body = body.get("$query", body)
    if not namespace.endswith(".$cmd") or not isinstance(body, dict) or not body:
        raise WireError("OP_QUERY is answered for commands only")
    return Request(request_id, body | {"$db": namespace.removesuffix(".$cmd")}, legacy=True)


def _sequence(section: bytes) -> tuple[str, list[Document]]:
    end_of_name = section.index(b"\0", 4)
    documents = []
    position = end_of_name + 1
    while position < len(section):
        size = _size_at(section, position, len(section))
        documents.append(bson.decode(memoryview(section)[position : position + size], CODEC))
        position += size
    return section[4:end_of_name].decode(), documents


def _size_at(data: bytes, position: int, end: int) -> int:
    if position < 0 or position + 4 > end:
        raise WireError("a length is cut off")
    size: int = _INT.unpack_from(data, position)[0]
    if size < 5 or position + size > end:
        raise WireError(f"a part of the message cannot have {size} bytes")
    return size
