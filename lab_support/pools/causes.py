"""What stands behind a database error: told by SQLSTATE, error number and class, never by its text.

Section:
    13.10, "503 with Retry-After against 504"
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

from sqlalchemy import exc

from lab_support.pools.unreachable import DatabaseUnreachableError


class Trouble(Enum):
    """The ways in which a database can fail somebody who asked for nothing wrong."""

    NO_CONNECTION = auto()
    """No connection in time, or the one in use broke."""
    BUSY = auto()
    """Others were in the way: a lock not granted in time, a deadlock, a serialization failure."""
    TIMED_OUT = auto()
    """The statement ran longer than its limit and was stopped."""
    NO_ROOM = auto()
    """The disk, or what the database may have of it, is full."""


# PostgreSQL: a full SQLSTATE, else its class (the first two characters).
_SQLSTATES = {
    "57014": Trouble.TIMED_OUT,  # query_canceled, by statement_timeout
    "25P03": Trouble.TIMED_OUT,  # idle_in_transaction_session_timeout
    "40001": Trouble.BUSY,  # serialization_failure
    "40P01": Trouble.BUSY,  # deadlock_detected
    "55P03": Trouble.BUSY,  # lock_not_available, by lock_timeout
    "57P01": Trouble.NO_CONNECTION,  # admin_shutdown
    "57P02": Trouble.NO_CONNECTION,  # crash_shutdown
    "57P03": Trouble.NO_CONNECTION,  # cannot_connect_now
    "57P05": Trouble.NO_CONNECTION,  # idle_session_timeout
    "08": Trouble.NO_CONNECTION,  # connection exceptions
    "28": Trouble.NO_CONNECTION,  # authorization refused
    "53": Trouble.NO_CONNECTION,  # too many connections, out of memory
    "53100": Trouble.NO_ROOM,  # disk_full
}
_MARIADB_NUMBERS = {
    1317: Trouble.TIMED_OUT,  # query interrupted
    1969: Trouble.TIMED_OUT,  # max_statement_time exceeded (MariaDB)
    3024: Trouble.TIMED_OUT,  # max_execution_time exceeded (MySQL)
    1020: Trouble.BUSY,  # record has changed since last read
    1205: Trouble.BUSY,  # lock wait timeout
    1213: Trouble.BUSY,  # deadlock
    1021: Trouble.NO_ROOM,  # disk full
    1040: Trouble.NO_CONNECTION,  # too many connections
    1045: Trouble.NO_CONNECTION,  # access denied
    1053: Trouble.NO_CONNECTION,  # server shutdown in progress
    1114: Trouble.NO_ROOM,  # table full
    1203: Trouble.NO_CONNECTION,  # too many connections of this user
    2002: Trouble.NO_CONNECTION,  # no server at the socket
    2003: Trouble.NO_CONNECTION,  # no server at the address
    2006: Trouble.NO_CONNECTION,  # server has gone away
    2013: Trouble.NO_CONNECTION,  # connection lost during a query
}
_SQLITE_PRIMARY_CODES = {
    5: Trouble.BUSY,  # SQLITE_BUSY, also its kin SQLITE_BUSY_SNAPSHOT
    6: Trouble.BUSY,  # SQLITE_LOCKED
    9: Trouble.TIMED_OUT,  # SQLITE_INTERRUPT, by the progress handler
    13: Trouble.NO_ROOM,  # SQLITE_FULL
    14: Trouble.NO_CONNECTION,  # SQLITE_CANTOPEN
}
_MONGO_CODES = {
    18: Trouble.NO_CONNECTION,  # AuthenticationFailed
    50: Trouble.TIMED_OUT,  # MaxTimeMSExpired
    112: Trouble.BUSY,  # WriteConflict
    262: Trouble.TIMED_OUT,  # ExceededTimeLimit
    14031: Trouble.NO_ROOM,  # OutOfDiskSpace
}
_MONGO_CLASSES = {  # from the special to the general: the first that an error's class is, or inherits from
    "NetworkTimeout": Trouble.TIMED_OUT,
    "WTimeoutError": Trouble.TIMED_OUT,
    "ConnectionFailure": Trouble.NO_CONNECTION,  # also no server, or no free connection, in time
}
_MARIADB_DRIVERS = ("pymysql", "aiomysql", "asyncmy", "MySQLdb")


def trouble_behind(error: BaseException) -> Trouble | None:
    """Return what the database failed at; None when the error says something else.

    A wrapped error tells more than its wrapper, so the whole chain is read, outermost first: `orig`,
    `__cause__`, `__context__` (unless `from None` cut it) and the members of groups.
    """
    for link in _chain(error):
        if (trouble := trouble_of(link)) is not None:
            return trouble
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = deque([error]), set[int]()
    while waiting:
        link = waiting.popleft()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        context = None if link.__suppress_context__ else link.__context__
        inner = [getattr(link, "orig", None), link.__cause__, context]
        if isinstance(link, BaseExceptionGroup):
            inner += link.exceptions
        waiting.extend(one for one in inner if isinstance(one, BaseException))


def trouble_of(link: BaseException) -> Trouble | None:
    """Return what this one error says the database failed at, without looking at what stands behind it."""
    if isinstance(link, exc.TimeoutError | DatabaseUnreachableError):
        return Trouble.NO_CONNECTION
    if isinstance(link, exc.DBAPIError):
        return Trouble.NO_CONNECTION if link.connection_invalidated else None
    if (by_number := _by_number(link)) is not None:
        return by_number
    if isinstance(link, ConnectionError | socket.gaierror):
        return Trouble.NO_CONNECTION
    return Trouble.TIMED_OUT if isinstance(link, TimeoutError) else None


def _by_number(link: BaseException) -> Trouble | None:
    if type(link).__module__ == "pymongo.errors":
        names = {base.__name__ for base in type(link).__mro__}
        by_class = (trouble for name, trouble in _MONGO_CLASSES.items() if name in names)
        return _MONGO_CODES.get(getattr(link, "code", None) or 0) or next(by_class, None)
    if type(link).__module__.startswith(
        _MARIADB_DRIVERS
    ):  # first: these may carry a SQLSTATE too, a vague one
        number = link.args[0] if link.args else None
        return _MARIADB_NUMBERS.get(number) if isinstance(number, int) else None
    code = getattr(link, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SQLITE_PRIMARY_CODES.get(code & 0xFF)
    state = getattr(link, "sqlstate", None)
    if isinstance(state, str):
        return _SQLSTATES.get(state, _SQLSTATES.get(state[:2]))
    return None
