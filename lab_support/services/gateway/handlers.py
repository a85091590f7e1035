"""What the gateway does when it hears of others: it brings the news into its summaries, and keeps the event.

Section:
    13.9, "CQRS: a read model fed by events"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lab_support.database import UnitOfWork, utc_now
from lab_support.messaging import Event
from lab_support.services.gateway.events import READ
from lab_support.services.gateway.projection import SERVICE_OF, fact_of
from lab_support.services.gateway.repository import SummaryRepository

NAME: Final = "gateway"
"""The consumer in the inbox, and the group on the bus."""

HEARS: Final = frozenset(model.__name__ for model in READ)


@dataclass(frozen=True, slots=True)
class Projecting:
    """The effect of what the gateway hears, in the unit of work of a `Consumer`, which commits.

    Attributes:
        clock: Gives this moment, aware.
    """

    clock: Callable[[], datetime] = utc_now

    async def heard(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """Bring the news into the generation that is shown, and into the one that is being built."""
        service = SERVICE_OF.get(event.aggregate_type)
        if service is None:
            return  # told of something that no service of the shop has
        now = self.clock()
        fact = fact_of(payload, service=service, occurred_at=event.occurred_at, heard_at=now)
        summaries = SummaryRepository(uow.session)
        generations = await summaries.generations()
        await summaries.project(generations.shown, [fact])
        if generations.building is not None:
            await summaries.project(generations.building, [fact])
        await summaries.keep(NAME, event)
