"""SQLAlchemy's queue pool with live gauges: its events tell neither who waits, nor for how long, nor in vain.

Section:
    13.10, "The pool's anatomy"; 13.10, "A leak and its detection"
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.pool.base import _ConnectionRecord
from sqlalchemy.util.queue import AsyncAdaptedQueue

from lab_support.pools.deadlines import remaining
from lab_support.pools.gauges import Holder, PoolGauges, PoolMeter
from lab_support.pools.stacks import calls_here, who_asks

_SHARE_FOR_WAITING: Final = 0.9
"""How much of what a deadline leaves may be spent in the pool's line: the rest is for saying so."""


class GaugedQueue(AsyncAdaptedQueue[ConnectionPoolEntry]):
    """The free connections, and the line of those who wait for one."""

    meter: PoolMeter

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        """Take a free connection, or wait for one: for at most `timeout` seconds, and no longer than the deadline."""
        if not block or not self.empty():
            return super().get(block, timeout)
        left = remaining() * _SHARE_FOR_WAITING
        meter = self.meter
        began = meter.clock()
        meter.waiting += 1
        try:
            return super().get(block, left if timeout is None else min(timeout, left))
        finally:
            meter.waiting -= 1
            meter.waited(meter.clock() - began)


class GaugedQueuePool(AsyncAdaptedQueuePool):
    """A queue pool that knows at every moment who has its connections and who waits for one."""

    _queue_class = GaugedQueue
    _pool: GaugedQueue

    def __init__(
        self, creator: Any, meter: PoolMeter | None = None, trace_checkouts: bool = False, **named: Any
    ) -> None:
        """Make a pool without a connection; `create_async_engine(..., poolclass=GaugedQueuePool)` does it.

        Args:
            creator: Opens a connection.
            meter: What counts; by default a new one.
            trace_checkouts: Keep the calls that led to each checkout: for finding a leak, it costs some
                microseconds a time.
            **named: Those of `sqlalchemy.pool.QueuePool`.
        """
        super().__init__(creator, **named)
        self.trace_checkouts = trace_checkouts
        self._free: set[ConnectionPoolEntry] = set()
        self._ended = False
        self._open, self._invoke_creator = self._invoke_creator, self._opened
        self._count_with(meter or PoolMeter())
        if not named.get("_dispatch"):  # else the listeners are those of the pool before this one
            self._listen()

    def recreate(self) -> GaugedQueuePool:
        """Make the empty pool that follows this one when its engine is disposed of; the meter goes on."""
        following = super().recreate()
        assert isinstance(following, GaugedQueuePool)  # noqa: S101  (SQLAlchemy makes one of the same class)
        following.trace_checkouts = self.trace_checkouts
        following._count_with(self.meter)  # noqa: SLF001
        return following

    def connect(self) -> PoolProxiedConnection:
        """Hand out a connection.

        Raises:
            sqlalchemy.exc.TimeoutError: None became free in time; the text says who has them.
            Exception: None could be opened.
        """
        meter = self.meter
        began = meter.clock()
        try:
            connection = super().connect()
        except exc.TimeoutError as error:
            meter.timeouts += 1
            raise exc.TimeoutError(self._explanation(meter.clock() - began), code="3o7r") from error
        except Exception:
            meter.failures += 1
            raise
        except BaseException:
            meter.cancelled += 1
            raise
        meter.checkouts += 1
        return connection

    def gauges(self) -> PoolGauges:
        """Read the gauges."""
        return self.meter.read(
            size=self.size(),
            max_overflow=self._max_overflow,
            idle=len(self._free),
            overflow=max(0, self.overflow()),
        )

    def dispose(self) -> None:
        """Close what is free; what is given back later is closed then, where SQLAlchemy would forget it open."""
        self._ended = True
        self._free.clear()
        super().dispose()

    def _do_get(self) -> ConnectionPoolEntry:
        entry = super()._do_get()
        self._free.discard(entry)
        self.meter.taken(entry, who_asks(), calls_here() if self.trace_checkouts else ())
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self.meter.given_back(record)
        if self._ended:
            record.close()
        else:
            super()._do_return_conn(record)
            if record.dbapi_connection is not None:
                self._free.add(record)

    def _create_connection(self) -> ConnectionPoolEntry:
        """Give a place without a connection, which whoever gets it opens.

        When that fails the place goes back into the queue, and the next one in the line tries. SQLAlchemy's own would
        give the place up without telling the line: all in it would wait for their whole time, for nothing.
        """
        return _ConnectionRecord(self, connect=False)

    def _opened(self, rec: Any) -> DBAPIConnection:
        meter = self.meter
        meter.opening += 1
        try:
            connection = self._open(rec)
        except Exception:
            meter.connect_errors += 1
            raise
        finally:
            meter.opening -= 1
        meter.connects += 1
        opened_before = rec.record_info.get("opened_at")
        if opened_before is not None and 0 < self._recycle < rec.starttime - opened_before:
            meter.recycles += 1
        rec.record_info["opened_at"] = rec.starttime
        return connection

    def _close_connection(self, connection: DBAPIConnection, *, terminate: bool = False) -> None:
        self.meter.closes += 1
        super()._close_connection(connection, terminate=terminate)

    def _explanation(self, waited_s: float) -> str:
        holders = self.meter.held_longer_than(0)
        longest = f"; {holders[0].name!r} has held one for {holders[0].held_s:.1f} s" if holders else ""
        return (
            f"No free connection after {waited_s:.1f} s: all {self.size() + self._max_overflow} of the pool are in "
            f"use{longest}. Give a connection back before calling anybody else; see 13.10, 'Sizing a pool'."
        )

    def _count_with(self, meter: PoolMeter) -> None:
        self.meter = self._pool.meter = meter

    def _listen(self) -> None:
        """Count what only an event tells; this listener goes with the pool when it is made anew."""
        meter = self.meter

        def invalidate(_connection: DBAPIConnection, entry: Any, error: BaseException | None) -> None:
            entry.record_info.pop("opened_at", None)  # what comes in its place is no recycled connection
            meter.invalidations += 1
            meter.pre_ping_failures += isinstance(error, exc.InvalidatePoolError)

        event.listen(self, "invalidate", invalidate)


def gauges_of(engine: AsyncEngine) -> PoolGauges:
    """Read the gauges of an engine's pool.

    Raises:
        TypeError: Its pool has none.
    """
    return _pool_of(engine).gauges()


def held_longer_than(engine: AsyncEngine, seconds: float) -> list[Holder]:
    """List who has held one of an engine's connections for longer than so many seconds, the longest first.

    Raises:
        TypeError: The engine's pool has no gauges.
    """
    return _pool_of(engine).meter.held_longer_than(seconds)


def _pool_of(engine: AsyncEngine) -> GaugedQueuePool:
    if not isinstance(engine.pool, GaugedQueuePool):
        raise TypeError(
            f"A {type(engine.pool).__name__} has no gauges. Make the engine with build_engine, or give "
            "create_async_engine poolclass=GaugedQueuePool."
        )
    return engine.pool
