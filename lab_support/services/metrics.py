"""GET /metrics: the pools, the requests and the outboxes of every service here, in Prometheus' text format.

Section:
    13.10, "Metrics to watch"
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.messaging import InboxMixin, OutboxMixin
from lab_support.pools import PoolGauges, gauges_of
from lab_support.pools.metrics import PoolCollector, RequestMetrics
from lab_support.services.split import SplitService

COUNT_LIMIT_S = 2.0
"""The longest that a database may take to count, in seconds; what it did not count is left out."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Messages:
    """What a service's outbox and inbox hold at one moment."""

    pending: int
    parked: int
    inbox_parked: int


def add_metrics(app: FastAPI, services: Mapping[str, FastAPI], split: Sequence[SplitService]) -> None:
    """Give an application `/metrics`, and time its requests.

    Args:
        app: The application around the services.
        services: Those that run here, by name.
        split: Those of them that have outbox and inbox.
    """
    registry = CollectorRegistry()
    registry.register(PoolCollector(lambda: pools_of(services)))
    app.add_middleware(RequestMetrics, registry=registry)
    router = APIRouter(tags=["health"])

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Answer with the metrics of this process; every process is scraped by itself."""
        counted = await asyncio.gather(*(_counted(one, services[one.name]) for one in split))
        found = {one.name: count for one, count in zip(split, counted, strict=True) if count is not None}
        messages = CollectorRegistry()
        messages.register(MessageCollector(found))
        text = generate_latest(registry) + generate_latest(messages)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    app.include_router(router)


def pools_of(services: Mapping[str, FastAPI]) -> dict[str, PoolGauges]:
    """Read the pools of the services that have started."""
    found = {}
    for name, app in services.items():
        if (documents := getattr(app.state, "documents", None)) is not None:
            from lab_support.pools.mongo_gauges import mongo_gauges_of

            found[name] = mongo_gauges_of(documents.client)
        elif (engine := getattr(app.state, "engine", None)) is not None:
            found[name] = gauges_of(engine)
    return found


class MessageCollector(Collector):
    """Tells how many messages wait, and how many were given up."""

    def __init__(self, found: Mapping[str, Messages]) -> None:
        """Remember the counts by service."""
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """Give the counts, with the service as label."""
        for name, field, told in (
            ("lab_outbox_pending", "pending", "Events that wait to be published"),
            ("lab_outbox_parked", "parked", "Events that could not be published and were given up"),
            ("lab_inbox_parked", "inbox_parked", "Events that could not be handled and were given up"),
        ):
            gauge = GaugeMetricFamily(name, told, labels=["service"])
            for service, messages in self._found.items():
                gauge.add_metric([service], getattr(messages, field))
            yield gauge


async def _counted(one: SplitService, app: FastAPI) -> Messages | None:
    try:
        async with asyncio.timeout(COUNT_LIMIT_S):
            return await count_messages(app.state.sessions, one.outbox, one.inbox)
    except Exception as error:
        _log.warning("The messages of '%s' can't be counted: %s", one.name, error)
        return None


async def count_messages(
    sessions: async_sessionmaker[AsyncSession], outbox: type[OutboxMixin], inbox: type[InboxMixin]
) -> Messages:
    """Count, by the indexes that relay and inbox use themselves, what waits and what was given up."""
    unpublished = select(func.count(), func.count(outbox.parked_at)).where(outbox.published_at.is_(None))
    given_up = select(func.count()).select_from(inbox).where(inbox.parked_at.is_not(None))
    async with sessions() as session:
        waiting, parked = (await session.execute(unpublished)).one()
        return Messages(waiting - parked, parked, await session.scalar(given_up) or 0)
