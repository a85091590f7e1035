"""What waits for a person, in all services: parked rows, dead letters, compensations. `lab outbox` calls it.

Section:
    13.5, "The relay"; 13.6, "A compensation that fails"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab_support.documents.types import Collection as Products
from lab_support.messaging import BrokerUnavailableError, Bus, Consumer
from lab_support.pools import DatabaseUnreachableError
from lab_support.services.left_over import (
    MOST,
    LeftOver,
    Sessions,
    compensations,
    dead,
    inbox_rows,
    outbox_rows,
)
from lab_support.services.orders.desk import Desk
from lab_support.services.participant import Around, Participant
from lab_support.services.reach import bus_of, existing_folder, has_own_url, reached
from lab_support.services.relational import StartError
from lab_support.services.second_try import retry_compensation, retry_inbox, retry_outbox
from lab_support.services.split import ALL, GATEWAY, NAMES, SplitService, Surroundings, split_service
from lab_support.settings import Settings

CATALOG: Final = "catalog"
INSIDE: Final = (
    "What the catalogue has parked can't be listed: its documents are inside the process that serves them. Set "
    "LAB_MONGODB_URL to keep them on a server."
)


CATALOG_LISTENS: Final = (("order", CATALOG),)
"""As its participation says; it is repeated here because MongoDB's driver is loaded only for documents."""


@dataclass(frozen=True, slots=True)
class Place:
    """A service as it is looked at from outside."""

    service: SplitService
    sessions: Sessions
    part: Participant

    @property
    def consumers(self) -> dict[str, Consumer]:
        """The service's consumers by their names in the inbox."""
        handlers = [one.handler for one in self.part.listeners]
        return {one.name: one for one in handlers if isinstance(one, Consumer)}


class Attention:
    """All services that can be reached, and the bus between them.

    Attributes:
        troubles: Why something could not be looked at, a line each.
        notes: What can't be looked at from here, and why that is no trouble.
    """

    def __init__(
        self,
        places: Collection[Place],
        wanted: Collection[str],
        bus: Bus,
        settings: Settings,
        *,
        products: Products | None = None,
    ) -> None:
        self._places = {place.service.name: place for place in places}
        self._wanted, self._bus = wanted, bus
        orders = self._places.get("orders")
        self._desk = None if orders is None else Desk.of(orders.sessions, settings=settings)
        self._products = products
        self.troubles: list[str] = []
        self.notes: list[str] = []

    async def listed(self) -> list[LeftOver]:
        """List what waits, service by service, oldest first; of one kind in one service at most `MOST`."""
        found: list[LeftOver] = []
        for name, place in self._places.items():
            if name in self._wanted:
                async with place.sessions() as session:
                    found += await outbox_rows(session, place.service)
                    found += await inbox_rows(session, place.service)
                    found += await compensations(session, place.service)
                found += await self._dead_letters(
                    name, [(one.topic, one.group) for one in place.part.listeners]
                )
        if self._products is not None:
            from lab_support.services.catalog.left_over import catalog_left_over

            found += await catalog_left_over(self._products)
        if CATALOG in self._wanted:
            found += await self._dead_letters(CATALOG, CATALOG_LISTENS)
        return found

    async def retry(self, chosen: Collection[LeftOver]) -> None:
        """Have things tried again: the rows and letters themselves, and a compensation by its review, if it has one.

        Of a topic's dead letters to a group all are tried again, since brokers cannot choose.

        What could not even be tried is told in `troubles`.

        Raises:
            BrokerUnavailableError: The broker with the dead letters is away.
            RetriesExhaustedError: Others were in the way in the database.
        """
        for name, place in self._places.items():
            service, sessions = place.service, place.sessions
            mine = [one for one in chosen if one.service == name]
            await retry_outbox(sessions, service.outbox, [one for one in mine if one.kind == "outbox"])
            parked = [one for one in mine if one.kind == "inbox"]
            self.troubles += await retry_inbox(place.consumers, parked)
            for one in mine:
                if one.kind == "compensation" and service.tasks is not None:
                    await retry_compensation(sessions, service.tasks, one, self._desk)
        if self._products is not None:
            from lab_support.services.catalog.left_over import retry_catalog

            mine = [one for one in chosen if one.service == CATALOG]
            self.troubles += await retry_catalog(self._products, mine)
        for topic, group in sorted({one.letter_box for one in chosen if one.letter_box is not None}):
            await self._bus.retry_dead_letters(topic, group)

    async def _dead_letters(self, name: str, heard: Iterable[tuple[str, str]]) -> list[LeftOver]:
        found: list[LeftOver] = []
        try:
            for topic, group in heard:
                letters = await self._bus.dead_letters(topic, group)
                found += [dead(name, letter) for letter in letters[:MOST]]
        except BrokerUnavailableError as error:
            self._note(f"The dead letters can't be listed. {error}")
        return found

    def _note(self, trouble: str) -> None:
        if trouble not in self.troubles:
            self.troubles.append(trouble)


@asynccontextmanager
async def attention(settings: Settings, only: Collection[str] = ()) -> AsyncIterator[Attention]:
    """Open what the services have left, without starting any of them.

    Args:
        settings: Where data and bus are.
        only: The services meant; none means all that are there.

    Raises:
        UnknownServiceError: `only` names a service that does not exist.
        StartError: There is no such data.
        DatabaseUnreachableError: A database of a service in `only` does not answer.
        DatabaseUrlError: A database URL is unusable.
        BusUrlError: LAB_BUS_URL names no bus.
    """
    meant = [name if name == CATALOG else split_service(name).name for name in only]
    async with AsyncExitStack() as opened:
        relational = [name for name in meant or NAMES if name != CATALOG]
        folder = opened.enter_context(existing_folder(settings, relational))
        bus = bus_of(settings, folder)
        places, troubles = [], []
        for one in (*ALL, GATEWAY):
            try:
                sessions = await opened.enter_async_context(reached(one, settings, folder))
            except (StartError, DatabaseUnreachableError) as error:
                if one.name in meant:
                    raise
                if not meant and not _runs_elsewhere(one, settings, folder):
                    troubles.append(str(error))
                continue
            near = Surroundings(sessions=sessions, bus=bus, settings=settings, folder=folder, around=Around())
            places.append(Place(one, sessions, await opened.enter_async_context(one.part(near))))
        products = None
        if CATALOG in meant or (not meant and settings.mongodb_url is not None):
            from lab_support.services.catalog.reached import reached_products

            products = await opened.enter_async_context(reached_products(settings))
        if not places and products is None:
            raise StartError(troubles[0] if troubles else f"no service has data in {folder}.")
        await opened.enter_async_context(bus)
        seen = Attention(places, meant or (*NAMES, GATEWAY.name, CATALOG), bus, settings, products=products)
        seen.troubles += troubles
        if products is None and not meant and (folder / "documents").exists():
            seen.notes.append(INSIDE)
        yield seen


def _runs_elsewhere(one: SplitService, settings: Settings, folder: Path) -> bool:
    return not has_own_url(one.name, settings) and not (folder / f"{one.name}.db").exists()
