"""The relay: publishes what the outbox holds, at least once, in the order of each aggregate.

Section:
    13.5, "The relay"
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Row, delete, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support import database
from lab_support.database import retry_transaction, utc_now
from lab_support.database.cancellation import stop_if_cancelled, to_its_end
from lab_support.messaging.bus import Bus, Message
from lab_support.messaging.claims import Claim, claim, mark_failed, mark_published, release, table_of
from lab_support.messaging.errors import BrokerUnavailableError
from lab_support.messaging.outbox import OutboxMixin, event_of
from lab_support.messaging.relay_settings import RelaySettings, Turn
from lab_support.messaging.wakeup import wake_relay

Result = TypeVar("Result")
_log = logging.getLogger(__name__)
_UNAVAILABLE = (BrokerUnavailableError, OSError, TimeoutError)
_HIGHEST_POWER = 30
_PURGE_EVERY = timedelta(minutes=1)
_REASON_LENGTH = 2000


class Relay:
    """Moves events from one service's outbox to a bus. Any number of relays may work on one outbox.

    Args:
        sessions: On the database of the service.
        outbox: The service's outbox.
        bus: Where to publish.
        settings: Its sizes and waits.
        clock: Gives this moment, aware.
        sleep: Waits for so many seconds.
        random: Gives a number from 0 up to, not including, 1.

    Section:
        13.5, "The relay"
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        outbox: type[OutboxMixin],
        bus: Bus,
        *,
        settings: RelaySettings | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.settings = settings or RelaySettings()
        self._sessions, self._outbox, self._bus = sessions, outbox, bus
        self._clock, self._sleep, self._random = clock, sleep, random
        self._woken = asyncio.Event()
        self._next_purge: datetime | None = None

    def wake(self) -> None:
        """Tell a running relay that something was committed; for `unit_of_work(..., wake=relay.wake)`."""
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled: at once when woken, else every `poll_s` seconds, and purge while idle.

        It is woken by `wake`, and by commits of other processes on PostgreSQL and SQLite. A broker or a database
        that is away is waited for, longer after each failure in a row.
        """
        engine = self._sessions.kw["bind"]
        waking = asyncio.create_task(wake_relay(engine, table_of(self._outbox), self.wake))
        try:
            await self._turn_for_ever()
        finally:
            waking.cancel()
            await asyncio.gather(waking, return_exceptions=True)

    async def _turn_for_ever(self) -> None:
        failures = 0
        while True:
            self._woken.clear()
            try:
                turn = await to_its_end(self.turn())
                busy = bool(turn.claimed and not turn.complete)
                busy = busy or bool(await to_its_end(self._purge_at_times()))
            except Exception:
                stop_if_cancelled()
                _log.exception("The relay of %s stopped in a turn; it goes on", self._outbox.__tablename__)
                failures += 1
                await self._sleep(self._random() * self._wait_s(failures))
                continue
            failures = 0
            if not busy:
                await self._wait_for_work()
                if (
                    len(turn.claimed) > 1
                ):  # many commit now: a turn for each of them would cost more than it moves
                    await self._sleep(self.settings.linger_s)

    async def drain(self) -> list[Turn]:
        """Take turns until there is nothing to claim, and return them."""
        turns = []
        while (turn := await self.turn()).claimed:
            turns.append(turn)
        return turns

    async def turn(self) -> Turn:
        """Claim one batch, publish it, and mark it after the broker's confirmation.

        A crash after the confirmation and before the mark publishes the batch twice; no crash loses anything.

        Raises:
            BrokerUnavailableError: The broker is away. The rows are free again; no attempt was counted.
            RetriesExhaustedError: Others were in the way in the database.
        """
        claimed = await self._change(self._claim)
        parked = [row.seq for row in claimed.parked]
        turn = Turn(claimed=[row.seq for row in claimed.rows] + parked, parked=parked)
        if not claimed.rows:
            return turn
        try:
            await self._publish(claimed.rows)
        except (*_UNAVAILABLE, asyncio.CancelledError) as error:
            await self._change(lambda session: release(session, self._outbox, turn.claimed, claimed.until))
            if isinstance(
                error, asyncio.CancelledError
            ):  # an orderly stop: others need not wait for the lease
                raise
            raise _unavailable(error) from error
        except Exception:  # one of them is refused: which one, is found one by one
            await self._one_by_one(claimed, turn)
            return turn
        turn.published, turn.complete = list(turn.claimed), claimed.complete
        await self._change(
            lambda session: mark_published(session, self._outbox, turn.published, self._clock())
        )
        return turn

    async def purge(self, *, limit: int = 1000) -> int:
        """Delete published rows that are older than `keep_published`, at most so many, and return how many."""
        if self.settings.keep_published is None:
            return 0
        table, before = table_of(self._outbox), self._clock() - self.settings.keep_published

        async def delete_old(session: AsyncSession) -> int:
            old = select(table.c.seq).where(table.c.published_at < before).limit(limit)
            seqs = list(await session.scalars(old))
            if seqs:
                await session.execute(delete(table).where(table.c.seq.in_(seqs)))
            return len(seqs)

        return await self._change(delete_old)

    async def _purge_at_times(self) -> int:
        now = self._clock()
        if self._next_purge is not None and now < self._next_purge <= now + _PURGE_EVERY:
            return 0  # and a clock that was set back does not put it off for long
        purged = await self.purge()
        self._next_purge = None if purged else now + _PURGE_EVERY
        return purged

    async def _claim(self, session: AsyncSession) -> Claim:
        settings = self.settings
        return await claim(
            session,
            self._outbox,
            limit=settings.batch,
            now=self._clock(),
            lease_s=settings.lease_s,
            attempts=settings.attempts,
        )

    async def _publish(self, rows: Sequence[Row[Any]]) -> None:
        batch = [Message(row.topic, event_of(row)) for row in rows]
        async with asyncio.timeout(self.settings.lease_s / 2):
            await self._bus.publish(batch)

    async def _one_by_one(self, claimed: Claim, turn: Turn) -> None:
        refused: dict[tuple[str, str], tuple[Row[Any], Exception]] = {}
        away: Exception | None = None
        for row in claimed.rows:
            aggregate = (row.aggregatetype, row.aggregateid)
            if aggregate in refused:
                continue  # it waits for the earlier one
            if self._clock() >= claimed.until - timedelta(seconds=self.settings.lease_s / 2):
                break  # the rest might be another relay's before it is confirmed
            try:
                await self._publish([row])
            except _UNAVAILABLE as error:
                away = error
                break
            except Exception as error:
                refused[aggregate] = (row, error)
            else:
                turn.published.append(row.seq)
        await self._change(lambda session: self._settle(session, claimed, turn, list(refused.values())))
        if away is not None:
            raise _unavailable(away) from away

    async def _settle(
        self, session: AsyncSession, claimed: Claim, turn: Turn, refused: Sequence[tuple[Row[Any], Exception]]
    ) -> None:
        now = self._clock()
        turn.failed = [row.seq for row, _ in refused]
        turn.parked = [row.seq for row, _ in refused if row.attempts + 1 >= self.settings.attempts]
        await mark_published(session, self._outbox, turn.published, now)
        for row, error in refused:
            _log.warning("%s %s was refused by the bus", row.type, row.id, exc_info=error)
            await mark_failed(
                session,
                self._outbox,
                row,
                claimed.until,
                reason=f"{type(error).__name__}: {error}"[:_REASON_LENGTH],
                parked_at=now if row.seq in turn.parked else None,
                again_at=now + timedelta(seconds=self._wait_s(row.attempts + 1)),
            )
        rest = set(turn.claimed) - set(turn.published) - set(turn.failed)
        await release(session, self._outbox, rest, claimed.until)

    async def _change(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        async def attempt() -> Result:
            async with database.unit_of_work(self._sessions) as uow:
                result = await work(uow.session)
                await uow.commit()
            return result

        return await retry_transaction(attempt)

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(self.settings.poll_s):  # wait_for of 3.11 may swallow a cancellation
                await self._woken.wait()
        except TimeoutError:
            return  # the safety net: somebody committed and could not wake us

    def _wait_s(self, failures: int) -> float:
        doubled = self.settings.backoff_s * 2.0 ** min(failures - 1, _HIGHEST_POWER)
        return min(self.settings.longest_wait_s, doubled)


def _unavailable(error: Exception) -> BrokerUnavailableError:
    if isinstance(error, BrokerUnavailableError):
        return error
    return BrokerUnavailableError(
        f"The broker gave no confirmation ({type(error).__name__}: {error}). The events stay in the outbox; "
        "see that the broker runs, then the relay goes on."
    )
