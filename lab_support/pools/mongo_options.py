"""How many connections a MongoDB client may hold, and how long it may wait: the driver's names, none without a limit.

The drivers' own defaults wait 30 s for a server, and for ever for a free connection and for an answer.

Section:
    13.10, "Motor's options"
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

_SHORTEST_HEARTBEAT_S: Final = 0.5  # the drivers refuse less


@dataclass(frozen=True, slots=True, kw_only=True)
class MongoPoolSettings:
    """The size and the waits of one client's pools; there is one pool for each server.

    Attributes:
        max_size: Connections open at once, at most (`maxPoolSize`).
        min_size: Connections that are kept even when idle (`minPoolSize`).
        max_idle_s: Seconds after which an idle connection is closed; None keeps it (`maxIdleTimeMS`).
        wait_s: Longest wait for a free connection, in seconds (`waitQueueTimeoutMS`).
        connect_s: Until a new connection stands, in seconds (`connectTimeoutMS`).
        server_selection_s: Until a server that can take the operation is found, in seconds
            (`serverSelectionTimeoutMS`).
        socket_s: Longest silence of a server that owes an answer, in seconds (`socketTimeoutMS`). The query goes on:
            `maxTimeMS` is what ends it.
        operation_s: Longest time for a whole operation, its retries included, in seconds (`timeoutMS`). It takes the
            place of `wait_s` and `socket_s`; None leaves those in force.
        heartbeat_s: Seconds between two looks at each server (`heartbeatFrequencyMS`). It keeps no pooled connection
            alive, for the monitors have their own.
    """

    max_size: int = 100
    min_size: int = 0
    max_idle_s: float | None = 600.0
    wait_s: float = 5.0
    connect_s: float = 5.0
    server_selection_s: float = 5.0
    socket_s: float = 30.0
    operation_s: float | None = None
    heartbeat_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what the driver would read as "no limit" or as nonsense.

        Raises:
            ValueError: A number is out of its range.
        """
        if self.max_size < 1:
            raise ValueError(
                f"MongoPoolSettings.max_size is {self.max_size}; give 1 or more: the driver takes 0 for no limit."
            )
        if not 0 <= self.min_size <= self.max_size:
            raise ValueError(
                f"MongoPoolSettings.min_size is {self.min_size}; give a number from 0 to max_size, {self.max_size}."
            )
        for name in ("wait_s", "connect_s", "server_selection_s", "socket_s", "max_idle_s", "operation_s"):
            value = getattr(self, name)
            if value is not None and not 0.001 <= value < math.inf:
                raise ValueError(
                    f"MongoPoolSettings.{name} is {value}; give seconds, of at least a thousandth and not for ever."
                )
        if not _SHORTEST_HEARTBEAT_S <= self.heartbeat_s < math.inf:
            raise ValueError(
                f"MongoPoolSettings.heartbeat_s is {self.heartbeat_s}; the drivers take {_SHORTEST_HEARTBEAT_S} s or "
                "more."
            )

    def options(self) -> dict[str, Any]:
        """Give the driver's options, times in milliseconds."""
        times = {
            "maxIdleTimeMS": self.max_idle_s,
            "waitQueueTimeoutMS": self.wait_s,
            "connectTimeoutMS": self.connect_s,
            "serverSelectionTimeoutMS": self.server_selection_s,
            "socketTimeoutMS": self.socket_s,
            "timeoutMS": self.operation_s,
            "heartbeatFrequencyMS": self.heartbeat_s,
        }
        sizes = {"maxPoolSize": self.max_size, "minPoolSize": self.min_size}
        return sizes | {name: round(value * 1000) for name, value in times.items() if value is not None}
