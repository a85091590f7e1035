"""What waits for a person, in all services: parked rows, dead letters, compensations. `lab outbox` calls it.

Section:
    13.5, "A parked row"; 13.6, "A compensation that fails"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

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
from lab_support.services.split import ALL, NAMES, SplitService, Surroundings, split_service
from lab_support.settings import Settings


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
    """

    def __init__(
        self, places: Collection[Place], wanted: Collection[str], bus: Bus, settings: Settings
    ) -> None:
        self._places = {place.service.name: place for place in places}
        self._wanted, self._bus = wanted, bus
        orders = self._places.get("orders")
        self._desk = None if orders is None else Desk.of(orders.sessions, settings=settings)
        self.troubles: list[str] = []

    async def listed(self) -> list[LeftOver]:
        """List what waits, service by service, oldest first; of one kind in one service at most `MOST`."""
        found: list[LeftOver] = []
        for name, place in self._places.items():
            if name in self._wanted:
                async with place.sessions() as session:
                    found += await outbox_rows(session, place.service)
                    found += await inbox_rows(session, place.service)
                    found += await compensations(session, place.service)
                found += await self._dead_letters(place)
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
            for topic, group in sorted({one.letter_box for one in mine if one.letter_box is not None}):
                await self._bus.retry_dead_letters(topic, group)

    async def _dead_letters(self, place: Place) -> list[LeftOver]:
        found: list[LeftOver] = []
        try:
            for one in place.part.listeners:
                letters = await self._bus.dead_letters(one.topic, one.group)
                found += [dead(place.service.name, letter) for letter in letters[:MOST]]
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
    meant = [split_service(name).name for name in only]
    async with AsyncExitStack() as opened:
        folder = opened.enter_context(existing_folder(settings, meant or NAMES))
        bus = bus_of(settings, folder)
        places, troubles = [], []
        for one in ALL:
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
        if not places:
            raise StartError(troubles[0] if troubles else f"no service has data in {folder}.")
        await opened.enter_async_context(bus)
        seen = Attention(places, meant or NAMES, bus, settings)
        seen.troubles += troubles
        yield seen


def _runs_elsewhere(one: SplitService, settings: Settings, folder: Path) -> bool:
    return not has_own_url(one.name, settings) and not (folder / f"{one.name}.db").exists()
