"""The orchestrator: it keeps no saga in memory; each turn reads a row, decides, and writes row and command together.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select

from lab_support.database import UnitOfWork, utc_now
from lab_support.messaging import Event, EventTypes
from lab_support.sagas.decide import begin, decide
from lab_support.sagas.definition import SagaDefinition, SagaDefinitionError
from lab_support.sagas.log import SagaMixin, read, write
from lab_support.sagas.outcome import Callbacks, Outcome
from lab_support.sagas.state import Call, Decision, Incoming, Reply, Settled, Silence


class Orchestrator:
    """Runs sagas by commands and replies. All its state is in the saga log, so any process may take any turn.

    Args:
        definitions: The sagas it runs.
        table: The service's saga log.
        types: The events of the service; commands must be registered.
        callbacks: What to tell the service.
        clock: Gives this moment, aware.
        random: Gives a number from 0 up to, not including, 1.

    Section:
        13.5, "The same operation, orchestrated"
    """

    def __init__(
        self,
        definitions: Sequence[SagaDefinition],
        table: type[SagaMixin],
        types: EventTypes,
        callbacks: Callbacks,
        *,
        clock: Callable[[], datetime] = utc_now,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.table = table
        self._definitions = {one.name: one for one in definitions}
        self._types, self._callbacks = types, callbacks
        self._clock, self._random = clock, random

    async def start(
        self,
        uow: UnitOfWork,
        definition: str,
        data: BaseModel,
        *,
        saga_id: UUID,
        subject: str,
        cause: Event | None = None,
    ) -> None:
        """Start a saga in the caller's unit of work: its row and its first command are kept with the order, or not.

        Args:
            uow: Of `messaging.unit_of_work`; the caller commits.
            definition: Which saga.
            data: What its steps know at first.
            saga_id: Its identity, and that of all its events.
            subject: What it is about: the order's id.
            cause: The event that the first command follows.

        Raises:
            SagaDefinitionError: There is no such saga.
            sqlalchemy.exc.IntegrityError: This saga has been started already; comes with the flush.
        """
        decision = begin(self._definition(definition), data)
        now = self._clock()
        row = self.table(saga_id=saga_id, name=definition, subject=subject, started_at=now)  # type: ignore[call-arg]
        await self._apply(uow, row, decision, cause)
        uow.session.add(row)
        await uow.flush()

    async def on_reply(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """Take a reply, as the effect of a `Consumer`; what concerns no saga, or none any more, changes nothing.

        Raises:
            SagaDefinitionError: The saga is of a definition that is unknown here.
        """
        row = None if event.saga_id is None else await self._locked(uow, event.saga_id)
        if row is not None:
            await self._turn(uow, row, Reply(payload), event)

    async def on_silence(self, uow: UnitOfWork, saga_id: UUID) -> bool:
        """Go on with a saga whose deadline has passed; False when an answer was quicker.

        Raises:
            SagaDefinitionError: The saga is of a definition that is unknown here.
        """
        row = await self._locked(uow, saga_id)
        if row is None or row.deadline_at is None or row.deadline_at > self._clock():
            return False
        await self._turn(uow, row, Silence(), None)
        return True

    async def settle(self, uow: UnitOfWork, saga_id: UUID, step: str) -> None:
        """Note that a person has taken care of a step in review, which its participant will not tell.

        Raises:
            SagaDefinitionError: The saga is of a definition that is unknown here.
        """
        row = await self._locked(uow, saga_id)
        if row is not None:
            await self._turn(uow, row, Settled(step), None)

    async def _locked(self, uow: UnitOfWork, saga_id: UUID) -> SagaMixin | None:
        """Read a saga and keep others from its row until the commit."""
        mine = select(self.table).where(self.table.saga_id == saga_id).with_for_update()
        row: SagaMixin | None = await uow.session.scalar(mine.execution_options(populate_existing=True))
        return row

    async def _turn(self, uow: UnitOfWork, row: SagaMixin, incoming: Incoming, cause: Event | None) -> None:
        definition = self._definition(row.name)
        before = read(row, definition)
        decision = decide(definition, before, incoming)
        if decision.state is not before or decision.calls:
            await self._apply(uow, row, decision, cause)

    async def _apply(self, uow: UnitOfWork, row: SagaMixin, decision: Decision, cause: Event | None) -> None:
        write(row, decision.state)
        now = self._clock()
        if decision.state.status not in ("RUNNING", "COMPENSATING"):
            row.deadline_at = None
        if decision.state.status in ("COMPLETED", "COMPENSATED"):
            row.ended_at = now
        if decision.send is not None:
            step, command = decision.send.step, decision.send.command
            later_s = step.retry.wait_s(decision.state.attempts, self._random)
            row.deadline_at = now + timedelta(seconds=step.deadline_s + later_s)
            more: dict[str, Any] = {
                "saga_id": row.saga_id,
                "causation_id": cause.event_id if cause else None,
                "occurred_at": now,
            }
            uow.announce(self._types.event(command, aggregate_type=step.to, aggregate_id=row.subject, **more))
        for call in decision.calls:
            await self._tell(uow, row, decision, call, cause)

    async def _tell(
        self, uow: UnitOfWork, row: SagaMixin, decision: Decision, call: Call, cause: Event | None
    ) -> None:
        outcome = Outcome(
            saga_id=row.saga_id,
            name=row.name,
            subject=row.subject,
            data=decision.state.data,
            step=call.step,
            reason=call.reason,
            cause=cause,
        )
        await getattr(self._callbacks, call.kind)(uow, outcome)

    def _definition(self, name: str) -> SagaDefinition:
        if name not in self._definitions:
            raise SagaDefinitionError(
                f"No saga is called {name!r} here, only {', '.join(self._definitions)}. Keep the definitions of sagas "
                "that are still running."
            )
        return self._definitions[name]
