"""The document relay: publishes the events that wait inside documents, at least once, in the order of each document.

It works as `messaging.Relay` does for tables, and is called alike. A database of documents has no transaction over
two documents here, and needs none: claim, publish, take out are each safe to be the last thing that a process did.

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lab_support.database import utc_now
from lab_support.database.cancellation import stop_if_cancelled, to_its_end
from lab_support.documents.times import in_milliseconds
from lab_support.documents.types import Collection, Document
from lab_support.messaging import BrokerUnavailableError, Bus, Message, RelaySettings
from lab_support.messaging.outbox import topic_of
from lab_support.services.catalog.document_outbox import (
    Claimed,
    DocumentClaim,
    DocumentOutbox,
    stored_event,
)

_log = logging.getLogger(__name__)
_UNAVAILABLE = (BrokerUnavailableError, OSError, TimeoutError)
_HIGHEST_POWER = 30
_REASON_LENGTH = 2000


@dataclass(slots=True)
class DocumentTurn:
    """What one turn did: ids of the events that it claimed, published, saw fail and parked.

    Attributes:
        complete: It left nothing that could have been published too.
    """

    claimed: list[str] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)
    complete: bool = False


class DocumentRelay:
    """Moves events from the documents of one collection to a bus. Any number of relays may work on one collection.

    Args:
        collection: Whose documents have an `outbox`, through either driver.
        bus: Where to publish.
        settings: Its sizes and waits; `batch` counts documents.
        clock: Gives this moment, aware.
        sleep: Waits for so many seconds.
        random: Gives a number from 0 up to, not including, 1.

    Section:
        13.9, "Pending events inside the document"
    """

    def __init__(
        self,
        collection: Collection,
        bus: Bus,
        *,
        settings: RelaySettings | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.settings = settings or RelaySettings()
        self.outbox, self._bus = DocumentOutbox(collection), bus
        self._clock, self._sleep, self._random = clock, sleep, random
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Tell a running relay that something was written."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled: at once when woken, else every `poll_s` seconds.

        A broker or a database that is away is waited for, longer after each failure in a row.
        """
        failures = 0
        while True:
            self._woken.clear()
            try:
                turn = await to_its_end(self.turn())
            except Exception:
                stop_if_cancelled()
                _log.exception("The relay of %s stopped in a turn; it goes on", self.outbox.name)
                failures += 1
                await self._sleep(self._random() * self._wait_s(failures))
                continue
            failures = 0
            if turn.complete or not turn.claimed:
                await self._wait_for_work()

    async def drain(self) -> list[DocumentTurn]:
        """Take turns until there is nothing to claim, and return them."""
        turns = []
        while (turn := await self.turn()).claimed:
            turns.append(turn)
        return turns

    async def turn(self) -> DocumentTurn:
        """Claim some documents, publish what they have to tell, and take it out after the bus's confirmation.

        A crash after the confirmation and before the end publishes a batch twice; no crash loses anything.

        Raises:
            BrokerUnavailableError: The broker is away. The documents are free again; no attempt was counted.
            pymongo.errors.PyMongoError: The database did not do its part.
        """
        settings, began = self.settings, self._clock()
        claim = await self.outbox.claim(
            limit=settings.batch, now=began, lease_s=settings.lease_s, attempts=settings.attempts
        )
        parked = [_head(one) for one in claim.parked]
        turn = DocumentTurn(claimed=_ids(claim.documents) + parked, parked=parked)
        if not claim.documents:
            return turn
        try:
            await self._publish([event for one in claim.documents for event in one.pending])
        except (*_UNAVAILABLE, asyncio.CancelledError) as error:
            await self.outbox.settle(claim, ())
            if isinstance(
                error, asyncio.CancelledError
            ):  # an orderly stop: others need not wait for the lease
                raise
            raise _unavailable(error) from error
        except Exception:  # one of them is refused: which one, is found one by one
            await self._one_by_one(claim, turn, began)
            return turn
        turn.published, turn.complete = list(turn.claimed), claim.complete
        await self.outbox.settle(claim, set(turn.published))
        return turn

    async def _publish(self, events: Sequence[Document]) -> None:
        batch = [Message(topic_of(event), event) for event in map(stored_event, events)]
        async with asyncio.timeout(self.settings.lease_s / 2):
            await self._bus.publish(batch)

    async def _one_by_one(self, claim: DocumentClaim, turn: DocumentTurn, began: datetime) -> None:
        refused: list[tuple[Claimed, Document, Exception]] = []
        away: Exception | None = None
        for one, event in _each_event(claim):
            if refused and refused[-1][0] is one:
                continue  # it waits for the earlier one
            if self._clock() >= began + timedelta(seconds=self.settings.lease_s / 2):
                break  # the rest might be another relay's before it is confirmed
            try:
                await self._publish([event])
            except _UNAVAILABLE as error:
                away = error
                break
            except Exception as error:
                refused.append((one, event, error))
            else:
                turn.published.append(event["event_id"])
        for failed, event, reason in refused:
            await self._fail(claim, turn, failed, event, reason)
        rest = [one for one in claim.documents if all(one is not failed for failed, _, _ in refused)]
        await self.outbox.settle(DocumentClaim(rest, claim.by), set(turn.published))
        if away is not None:
            raise _unavailable(away) from away

    async def _fail(
        self, claim: DocumentClaim, turn: DocumentTurn, one: Claimed, event: Document, error: Exception
    ) -> None:
        event_id, now = str(event.get("event_id")), self._clock()
        failures = (one.attempts if event is one.pending[0] else 0) + 1
        parks = failures >= self.settings.attempts
        _log.warning("%s %s was refused by the bus", event.get("type"), event_id, exc_info=error)
        turn.failed.append(event_id)
        turn.parked += [event_id] if parks else []
        await self.outbox.fail(
            claim,
            one,
            set(turn.published),
            reason=f"{type(error).__name__}: {error}"[:_REASON_LENGTH],
            failures=failures,
            parked_at=in_milliseconds(now) if parks else None,
            again_at=in_milliseconds(now + timedelta(seconds=self._wait_s(failures))),
        )

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(self.settings.poll_s):
                await self._woken.wait()
        except TimeoutError:
            return  # the safety net: another process wrote, and could not wake us

    def _wait_s(self, failures: int) -> float:
        doubled = self.settings.backoff_s * 2.0 ** min(failures - 1, _HIGHEST_POWER)
        return min(self.settings.longest_wait_s, doubled)


def _each_event(claim: DocumentClaim) -> list[tuple[Claimed, Document]]:
    return [(one, event) for one in claim.documents for event in one.pending]


def _head(one: Claimed) -> str:
    return str(one.pending[0].get("event_id"))


def _ids(documents: Sequence[Claimed]) -> list[str]:
    return [str(event.get("event_id")) for one in documents for event in one.pending]


def _unavailable(error: Exception) -> BrokerUnavailableError:
    if isinstance(error, BrokerUnavailableError):
        return error
    return BrokerUnavailableError(
        f"The broker gave no confirmation ({type(error).__name__}: {error}). The events stay in their documents; "
        "see that the broker runs, then the relay goes on."
    )
