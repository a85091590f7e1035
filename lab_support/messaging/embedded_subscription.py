"""One group's reader of one topic of the embedded bus.

Section:
    13.5, "A bus that misbehaves on purpose"
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from lab_support.database.cancellation import stop_if_cancelled, to_its_end
from lab_support.messaging.bus import BatchHandler, Handler
from lab_support.messaging.embedded_batch import Batch, Delivery
from lab_support.messaging.envelope import Event, decode
from lab_support.messaging.errors import MessagingError, is_blameless
from lab_support.messaging.group_lock import GroupLock

if TYPE_CHECKING:
    from lab_support.messaging.embedded_bus import EmbeddedBus

Outcome = Literal["nothing", "acknowledged", "failed", "dead"]
TOGETHER = 50
"""The most messages that a handler of batches gets at once; its transaction keeps its locks as long as they take."""
_SELDOM = 10
_log = logging.getLogger(__name__)


class Subscription:
    """One group's reader of one topic. One process at a time reads for a group; another takes over when it dies.

    Messages are read in batches and handled one after the other; a `BatchHandler` gets up to `TOGETHER` at once, and
    each by itself when it could not deal with all of them. Those whose handler has returned are acknowledged
    together, at the end of the batch or at once when it is interrupted; a crash before that delivers them again.
    One whose handler raises is delivered again, before any later message, and ends among the dead letters after
    `most_deliveries`; failures of the handler's database do not count.
    """

    def __init__(self, bus: EmbeddedBus, topic: str, group: str, handler: Handler) -> None:
        self.topic, self.group = topic, group
        self._bus, self._handler = bus, handler
        self._at_once = handler if isinstance(handler, BatchHandler) else None
        self._lock = GroupLock(bus.log.path, topic, group)
        self._is_known = False
        self._one_at_a_time = asyncio.Lock()
        self.woken = asyncio.Event()
        self.seen_end: object = None

    async def deliver_next(self) -> Outcome:
        """Make one delivery by hand, without waiting for one.

        Returns:
            "nothing" when there is none, or when another process reads for this group.
        """
        outcomes = await self.deliver(limit=1)
        return outcomes[0] if outcomes else "nothing"

    async def deliver(self, *, limit: int) -> list[Outcome]:
        """Make at most so many deliveries, without waiting for any, and return how each ended.

        A failure is the last of them: whoever calls may want to pause.
        """
        async with self._one_at_a_time:
            if not self._lock.acquire():
                return []
            if not self._is_known:
                await self._bus.log.register(self.topic, self.group)
                self._is_known = True
            batch = await self._bus.log.next(self.topic, self.group, self._bus.faults, limit)
            if batch.rows and not batch.rows[-1].retried:
                self.seen_end = batch.rows[-1].position
            return await self._deliver(batch)

    async def drain(self) -> list[Outcome]:
        """Deliver until there is nothing left, without pauses, and return how each delivery ended."""
        outcomes: list[Outcome] = []
        while some := await self.deliver(limit=self._bus.batch):
            outcomes += some
        return outcomes

    async def run(self) -> None:
        """Deliver until cancelled, pausing longer after each failure in a row."""
        failures = 0
        while True:
            self.woken.clear()
            try:
                outcomes = await to_its_end(self.deliver(limit=self._bus.batch))
            except Exception:
                _log.exception("The bus could not deliver %s to %s", self.topic, self.group)
                outcomes = ["failed"]
            if outcomes and outcomes[-1] == "failed":
                stop_if_cancelled()
                failures = failures + 1 if len(outcomes) == 1 else 1
                await self._bus.pause(failures)
                continue
            failures = 0
            if self._bus.faults is None and len(outcomes) < self._bus.batch:
                await self._wait()  # that was all; what has been published meanwhile has woken it
            elif not outcomes:
                await self._wait()

    def release(self) -> None:
        """Let another process read for this group."""
        self._lock.release()

    async def _deliver(self, batch: Batch) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            while some := batch.take(1 if self._at_once is None else TOGETHER):
                outcomes += await self._hand_over(batch, some)
                if outcomes[-1] == "failed":
                    break
        except asyncio.CancelledError:  # an orderly stop: what was handled need not come again
            await self._settle(batch)
            raise
        await self._settle(batch)
        return outcomes

    async def _settle(self, batch: Batch) -> None:
        settling = asyncio.ensure_future(self._bus.log.settle(batch))
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:  # half of an acknowledgement would be none
            await settling
            raise

    async def _hand_over(self, batch: Batch, some: Sequence[Delivery]) -> list[Outcome]:
        if len(some) > 1 and self._at_once is not None and await self._handled(some, self._at_once):
            for delivery in some:
                batch.handled(delivery)
            return ["acknowledged"] * len(some)
        outcomes: list[Outcome] = []
        for delivery in some:
            outcomes.append(await self._hand_over_one(batch, delivery))
            if outcomes[-1] == "failed":
                break
        return outcomes

    async def _handled(self, some: Sequence[Delivery], handler: BatchHandler) -> bool:
        """Try all in one transaction; whatever stands against that shows again when each is handled by itself."""
        try:
            await handler.handle_batch([_event_of(one) for one in some])
        except Exception as error:
            _log.info(
                "%s gets %d messages of %s one by one", self.group, len(some), self.topic, exc_info=error
            )
            return False
        return True

    async def _hand_over_one(self, batch: Batch, delivery: Delivery) -> Outcome:
        try:
            event = _event_of(delivery)
        except MessagingError as why:
            batch.buried(delivery, str(why))
            return "dead"
        try:
            await self._handler(event)
        except Exception as error:
            _log.warning("%s failed on %s %d", self.group, self.topic, delivery.position, exc_info=error)
            if is_blameless(error):
                return "failed"  # and not counted: it waits until the handler's database is back
            if delivery.failures + 1 < self._bus.most_deliveries:
                batch.failed(delivery)
                return "failed"
            batch.buried(delivery, f"{type(error).__name__}: {error}")
            return "dead"
        batch.handled(delivery)
        return "acknowledged"

    async def _wait(self) -> None:
        try:
            # Who has the place is woken by all that is published, so that its own look is a safety net.
            seldom = _SELDOM if self._lock.held else 1
            async with asyncio.timeout(
                seldom * self._bus.poll_s
            ):  # wait_for of 3.11 may swallow a cancellation
                await self.woken.wait()
        except TimeoutError:
            return  # another process may have published, or ended


def _event_of(delivery: Delivery) -> Event:
    return decode(delivery.body.encode())
