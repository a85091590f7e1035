"""A meeting of transactions: all have read before the first of them writes.

Section:
    13.5, "The inbox: repetitions do no harm"
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from lab_support.exercises.rival import FIRST_WRITE

LONGEST_MEETING_S = 0.1
"""Whoever waits for a lock does not come; after so many seconds the others go on without it."""

_WRITE = re.compile(FIRST_WRITE, re.IGNORECASE)


@contextmanager
def first_writes_meet(engine: AsyncEngine, many: int) -> Iterator[None]:
    """Hold back each connection's first write until so many have come to theirs, or are kept waiting by a lock."""
    arrived, all_here = set[int](), asyncio.Event()

    def hold_back(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        me = id(connection.connection.driver_connection)
        if all_here.is_set() or me in arrived or not _WRITE.match(statement):
            return
        arrived.add(me)
        if len(arrived) < many:
            with suppress(TimeoutError):
                await_only(asyncio.wait_for(all_here.wait(), LONGEST_MEETING_S))
        all_here.set()

    event.listen(engine.sync_engine, "before_cursor_execute", hold_back)
    try:
        yield
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", hold_back)
