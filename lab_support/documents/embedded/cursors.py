"""Open cursors: the rest of an answer that was too long for one batch.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import bson
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.wire import MAX_DOCUMENT_BYTES

Document = dict[str, Any]

FIRST_BATCH = 101
_SIZE = struct.Struct("<i")


@dataclass(slots=True)
class Cursor:
    """Documents that were found and not sent yet.

    Attributes:
        namespace: `database.collection`, as the answer names it.
        documents: The rest, in order.
        connection: The connection that asked last.
        forget_at: When it is dropped if nobody asks, on the server's clock in seconds.
    """

    namespace: str
    documents: Iterator[Document]
    connection: int
    forget_at: float
    held_over: Document | None = None


class Cursors:
    """The cursors of a server.

    Args:
        idle_s: How long a cursor waits for its client, in seconds; MongoDB waits ten minutes.
        orphan_s: How long it waits once the connection that asked last has gone: the client may have others.
        clock: Gives the time in seconds.
    """

    def __init__(
        self, *, idle_s: float = 600.0, orphan_s: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open: dict[int, Cursor] = {}
        self._idle_s, self._orphan_s, self._clock = idle_s, orphan_s, clock

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def first_batch(
        self,
        namespace: str,
        documents: Iterator[Document],
        connection: int,
        *,
        size: int | None = None,
        single: bool = False,
    ) -> RawBSONDocument:
        """Give the value of `cursor` in an answer, and keep the rest.

        Args:
            namespace: `database.collection`.
            documents: All that was found.
            connection: Who asked.
            size: The most documents for the first batch; None means 101.
            single: Keep no rest.
        """
        self.drop_stale()
        cursor = Cursor(namespace, documents, connection, self._clock() + self._idle_s)
        batch = _take(cursor, FIRST_BATCH if size is None else size)
        number = 0
        if not single and _has_more(cursor):
            number = secrets.randbits(62) + 1
            self._open[number] = cursor
        return _answer("firstBatch", batch, number, namespace)

    def next_batch(self, number: int, namespace: str, connection: int, size: int | None) -> RawBSONDocument:
        """Give the next part of a cursor's documents.

        Raises:
            CommandError: The cursor is finished, killed or another collection's (code 43).
        """
        self.drop_stale()
        cursor = self._open.get(number)
        if cursor is None or cursor.namespace != namespace:
            raise CommandError(43, f"cursor id {number} not found")
        cursor.connection, cursor.forget_at = connection, self._clock() + self._idle_s
        batch = _take(cursor, size)
        if not _has_more(cursor):
            del self._open[number]
            number = 0
        return _answer("nextBatch", batch, number, namespace)

    def kill(self, number: int) -> bool:
        """Drop a cursor; say whether there was one."""
        return self._open.pop(number, None) is not None

    def connection_gone(self, connection: int, *, last: bool) -> None:
        """Drop a gone client's cursors: at once when nobody is connected any more, else after a while."""
        if last:
            self._open.clear()
        for cursor in self._open.values():
            if cursor.connection == connection:
                cursor.forget_at = min(cursor.forget_at, self._clock() + self._orphan_s)

    def drop_stale(self) -> None:
        """Drop the cursors whose time is over."""
        now = self._clock()
        for number in [number for number, cursor in self._open.items() if cursor.forget_at <= now]:
            del self._open[number]


def _take(cursor: Cursor, most: int | None) -> list[bytes]:
    """Take documents for one batch: at most so many, and at most 16 MiB of them, but one in any case."""
    batch: list[bytes] = []
    room = MAX_DOCUMENT_BYTES
    for document in islice(_rest(cursor), most):
        body = bson.encode(document)
        room -= len(body)
        if batch and room < 0:
            cursor.held_over = document
            break
        batch.append(body)
    return batch


def _rest(cursor: Cursor) -> Iterator[Document]:
    held_over, cursor.held_over = cursor.held_over, None
    return cursor.documents if held_over is None else chain([held_over], cursor.documents)


def _has_more(cursor: Cursor) -> bool:
    if cursor.held_over is None:
        cursor.held_over = next(cursor.documents, None)
    return cursor.held_over is not None


def _answer(kind: str, batch: list[bytes], number: int, namespace: str) -> RawBSONDocument:
    """Put an answer's `cursor` together from encoded documents, without decoding them again."""
    items = b"".join(b"\x03%d\x00%b" % item for item in enumerate(batch))
    array = _SIZE.pack(len(items) + 5) + items + b"\0"
    rest = bson.encode({"id": Int64(number), "ns": namespace})[4:]
    fields = b"\x04" + kind.encode() + b"\0" + array + rest
    return RawBSONDocument(_SIZE.pack(len(fields) + 4) + fields)
