"""The gauges of a MongoDB client's pools, in the same shape as an SQLAlchemy pool's: what its listener is told.

This module imports the driver; `documents.client` imports it with the driver and not before.

Section:
    13.10, "The pool's anatomy"
"""

from __future__ import annotations

import threading
from typing import Any

from pymongo import monitoring

from lab_support.pools.gauges import Holder, PoolGauges, PoolMeter
from lab_support.pools.stacks import who_asks


class PoolListener(monitoring.ConnectionPoolListener):
    """Counts what happens in a client's pools, all its servers' together.

    Motor's events come from the threads of its executor, so everything is counted under a lock; its holders have the
    names of those threads. The driver times every checkout, so `waits` has those that did not have to wait, too.
    """

    def __init__(self, meter: PoolMeter | None = None) -> None:
        """Begin at zero.

        Args:
            meter: What counts; by default a new one.
        """
        self.meter = meter or PoolMeter()
        self._lock = threading.Lock()
        self._open: set[object] = set()
        self._opening: set[object] = set()

    def gauges(self, max_size: int) -> PoolGauges:
        """Read the gauges.

        Args:
            max_size: Connections that may be open at once.
        """
        with self._lock:
            self.meter.opening = len(self._opening)
            held = len(self.meter.held_longer_than(-1))
            return self.meter.read(
                size=max_size, max_overflow=0, idle=max(0, len(self._open) - held), overflow=0
            )

    def held_longer_than(self, seconds: float) -> list[Holder]:
        """List who has held a connection for longer than so many seconds, the longest first."""
        with self._lock:
            return self.meter.held_longer_than(seconds)

    def connection_created(self, event: monitoring.ConnectionCreatedEvent) -> None:
        """A connection is being opened."""
        with self._lock:
            self._opening.add(_key(event))

    def connection_ready(self, event: monitoring.ConnectionReadyEvent) -> None:
        """It stands."""
        with self._lock:
            self._opening.discard(_key(event))
            self._open.add(_key(event))
            self.meter.connects += 1

    def connection_closed(self, event: monitoring.ConnectionClosedEvent) -> None:
        """It is closed; one that never stood is an error."""
        reason = monitoring.ConnectionClosedReason
        with self._lock:
            if _key(event) in self._opening:
                self._opening.discard(_key(event))
                self.meter.connect_errors += 1
                return
            self._open.discard(_key(event))
            self.meter.closes += 1
            self.meter.recycles += event.reason == reason.IDLE
            self.meter.invalidations += event.reason in (reason.ERROR, reason.STALE)

    def connection_check_out_started(self, event: monitoring.ConnectionCheckOutStartedEvent) -> None:  # noqa: ARG002
        """Somebody wants a connection."""
        with self._lock:
            self.meter.waiting += 1

    def connection_check_out_failed(self, event: monitoring.ConnectionCheckOutFailedEvent) -> None:
        """He gets none."""
        in_vain = event.reason == monitoring.ConnectionCheckOutFailedReason.TIMEOUT
        with self._lock:
            self.meter.waiting -= 1
            self.meter.waited(event.duration or 0.0)
            self.meter.timeouts += in_vain
            self.meter.failures += not in_vain

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        """He has one."""
        with self._lock:
            self.meter.waiting -= 1
            self.meter.waited(event.duration or 0.0)
            self.meter.checkouts += 1
            self.meter.taken(_key(event), who_asks())

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        """He gave it back."""
        with self._lock:
            self.meter.given_back(_key(event))

    def pool_created(self, event: monitoring.PoolCreatedEvent) -> None:
        """Nothing is counted."""

    def pool_ready(self, event: monitoring.PoolReadyEvent) -> None:
        """Nothing is counted."""

    def pool_cleared(self, event: monitoring.PoolClearedEvent) -> None:
        """Its connections are closed one by one, and counted then."""

    def pool_closed(self, event: monitoring.PoolClosedEvent) -> None:
        """Nothing is counted."""


def mongo_gauges_of(client: Any) -> PoolGauges:
    """Read the gauges of a client, Motor's or its successor's.

    Raises:
        TypeError: It has none.
    """
    options = client.options.pool_options
    return _listener_of(client).gauges(options.max_pool_size or 0)


def mongo_held_longer_than(client: Any, seconds: float) -> list[Holder]:
    """List who has held one of a client's connections for longer than so many seconds, the longest first.

    Raises:
        TypeError: The client has no gauges.
    """
    return _listener_of(client).held_longer_than(seconds)


def _listener_of(client: Any) -> PoolListener:
    for listener in client.options.event_listeners:
        if isinstance(listener, PoolListener):
            return listener
    raise TypeError(
        f"This {type(client).__name__} has no gauges. Make it with make_client, or give it "
        "event_listeners=[PoolListener()]."
    )


def _key(event: Any) -> object:
    return event.address, event.connection_id
