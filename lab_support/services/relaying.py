"""The relay as a process of its own: what `lab relay` calls.

Section:
    13.5, "Who runs the relay?"
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import RetriesExhaustedError
from lab_support.database.cancellation import to_its_end
from lab_support.messaging import Bus, MessagingError, OutboxMixin, Relay, Turn
from lab_support.pools import DatabaseUnreachableError
from lab_support.services.participant import Published, Publisher
from lab_support.services.reach import bus_of, existing_folder, reached, shown_bus
from lab_support.services.split import SplitService
from lab_support.services.stopping import signals_ask
from lab_support.settings import Settings

Tell = Callable[[str], object]
Documents = Literal["catalog"]
DOCUMENTS: Final[Documents] = "catalog"
"""The service whose events wait inside documents."""

_EXPECTED = (DatabaseUnreachableError, MessagingError, OSError, RetriesExhaustedError, TimeoutError)


class TellingRelay(Relay):
    """A relay that tells of each row it parks, and ends a turn it has begun before it stops."""

    def __init__(
        self, sessions: async_sessionmaker[AsyncSession], outbox: type[OutboxMixin], bus: Bus, tell: Tell
    ) -> None:
        super().__init__(sessions, outbox, bus)
        self._tell = tell

    async def turn(self) -> Turn:
        """Take a turn; once it has begun it marks what was confirmed, or frees what it claimed.

        Raises:
            BrokerUnavailableError: The broker is away.
            RetriesExhaustedError: Others were in the way in the database.
        """
        turn = await to_its_end(super().turn())
        if turn.parked:
            await self._tell_of(turn.parked)
        return turn

    async def _tell_of(self, seqs: list[int]) -> None:
        outbox = self._outbox
        async with self._sessions() as session:
            rows = await session.scalars(select(outbox).where(outbox.seq.in_(seqs)).order_by(outbox.seq))
            for row in rows:
                self._tell(
                    f"Parked {row.type} {row.id} of {row.aggregatetype} {row.aggregateid}: "
                    f"{' '.join(str(row.last_error).split())}"
                )


async def relay_until_stopped(one: SplitService | Documents, settings: Settings, tell: Tell) -> None:
    """Publish a service's outbox until SIGINT or SIGTERM; others may do the same at the same time.

    Args:
        one: Whose outbox.
        settings: Where data and bus are.
        tell: Gets a line at the start, and one for each row that is parked.

    Raises:
        StartError: There is no such data.
        DatabaseUnreachableError: The database does not answer.
        DatabaseUrlError: Its URL is unusable.
        BusUrlError: LAB_BUS_URL names no bus.
        BrokerUnavailableError: The bus can't be opened.
    """
    stop = asyncio.Event()
    with signals_ask(stop.set), _warnings_in_one_line():
        async with _opened(one, settings, tell) as (relay, where):
            name = one if isinstance(one, str) else one.name
            tell(f"The outbox of {name} goes to {where}. Ctrl-C stops it.")
            await _until(stop, relay.run())


async def relay_once(one: SplitService | Documents, settings: Settings, tell: Tell) -> Sequence[Published]:
    """Publish all that a service's outbox holds, and return the turns that took; what failed waits for its next try.

    Args:
        one: Whose outbox.
        settings: Where data and bus are.
        tell: Gets a line for each row that is parked.

    Raises:
        StartError: There is no such data.
        DatabaseUnreachableError: The database does not answer.
        DatabaseUrlError: Its URL is unusable.
        BusUrlError: LAB_BUS_URL names no bus.
        BrokerUnavailableError: The broker is away; what it has not confirmed is still in the outbox.
    """
    stop = asyncio.Event()
    with signals_ask(stop.set), _warnings_in_one_line():
        async with _opened(one, settings, tell) as (relay, _):
            return await _until(stop, relay.drain()) or []


@asynccontextmanager
async def _opened(
    one: SplitService | Documents, settings: Settings, tell: Tell
) -> AsyncIterator[tuple[Publisher, str]]:
    if isinstance(one, str):
        from lab_support.services.catalog.reached import TellingDocumentRelay, reached_products

        with existing_folder(settings, ()) as folder:
            bus = bus_of(settings, folder)
            async with reached_products(settings) as products, bus:
                yield TellingDocumentRelay(products, bus, tell), shown_bus(settings, folder)
        return
    with existing_folder(settings, [one.name]) as folder:
        bus = bus_of(settings, folder)
        async with reached(one, settings, folder) as sessions, bus:
            yield TellingRelay(sessions, one.outbox, bus, tell), shown_bus(settings, folder)


async def _until(stop: asyncio.Event, work: Any) -> Any:
    """Do the work until it ends, or until the request to stop; then its result is None."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.gather(working, stopping, return_exceptions=True)
    return None


class _OneLine(logging.Formatter):
    """Tells of an absent broker or database in one line; what nobody expected keeps its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the text of a record."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, _EXPECTED):
            return super().format(record)
        return f"lab relay: {record.getMessage()}: {' '.join(str(error).split())}"


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    handler, log = logging.StreamHandler(), logging.getLogger("lab_support")
    handler.setFormatter(_OneLine("lab relay: %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
