"""Metrics for Prometheus: pools read at the moment of the scrape, and how long requests took.

Each application has a registry of its own; the library's global one would mix those of two in one process.

Section:
    13.10, "Metrics to watch"
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab_support.pools.gauges import WAIT_BOUNDS_S, PoolGauges

_GAUGES: Final = {
    "size": "Connections that stay open between uses, at most",
    "limit": "Connections that can be open at once",
    "checked_out": "Connections in somebody's hands",
    "opening": "Connections being opened",
    "idle": "Open connections that are free",
    "overflow": "Places taken beyond the size",
    "waiting": "Requests that wait for a connection",
}
_COUNTERS: Final = {
    "checkouts": "Connections handed out",
    "timeouts": "Waits for a connection that were given up",
    "failures": "Checkouts that ended with an error",
    "cancelled": "Checkouts whose task was cancelled",
    "connects": "Connections opened",
    "connect_errors": "Connections that could not be opened",
    "closes": "Connections closed",
    "recycles": "Connections replaced because of their age",
    "invalidations": "Connections thrown away as broken",
    "pre_ping_failures": "Connections found dead by a ping before use",
}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class PoolCollector(Collector):
    """Reads the pools' gauges when Prometheus asks, and never in between."""

    def __init__(self, pools: Callable[[], Mapping[str, PoolGauges]]) -> None:
        """Remember where the pools are found.

        Args:
            pools: Gives the gauges of this moment by the names of the services.
        """
        self._pools = pools

    def collect(self) -> Iterable[Metric]:
        """Give every pool's gauges, with its service as label."""
        pools = self._pools()
        for name, told in _GAUGES.items():
            gauge = GaugeMetricFamily(f"lab_pool_{name}", told, labels=["service"])
            for service, gauges in pools.items():
                gauge.add_metric([service], getattr(gauges, name))
            yield gauge
        for name, told in _COUNTERS.items():
            counter = CounterMetricFamily(f"lab_pool_{name}", told, labels=["service"])
            for service, gauges in pools.items():
                counter.add_metric([service], getattr(gauges, name))
            yield counter
        yield _waits(pools)


def _waits(pools: Mapping[str, PoolGauges]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "lab_pool_wait_seconds", "How long those waited who found no free connection", labels=["service"]
    )
    for service, gauges in pools.items():
        below, buckets = 0, []
        for bound, count in zip((*map(str, WAIT_BOUNDS_S), "+Inf"), gauges.waits.counts, strict=True):
            below += count  # Prometheus counts each wait in every bucket that it fits into
            buckets.append((bound, below))
        family.add_metric([service], buckets, gauges.waits.total_s)
    return family


class RequestMetrics:
    """ASGI middleware that times requests by method, route template and status.

    The template, such as `/orders/{order_id}`, and not the path: else each order would be a time series of its own.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            registry: Where the histogram is kept.
        """
        self.app = app
        self._seconds = Histogram(
            "lab_http_request_seconds",
            "How long requests took",
            ["method", "route", "status"],
            registry=registry,
            buckets=_REQUEST_BOUNDS_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = "none"  # whoever asked has gone, or the application broke before it answered

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        began = time.perf_counter()
        try:
            await self.app(scope, receive, watched)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._seconds.labels(method, _route(scope), status).observe(time.perf_counter() - began)


def _route(scope: Scope) -> str:
    """Name the template of the route that answered: what was asked for may be anything, and is no label."""
    path = getattr(scope.get("route"), "path", None)
    return "none" if path is None else f"{scope.get('root_path', '')}{path}"
