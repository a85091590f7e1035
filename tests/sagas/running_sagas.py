"""A service that runs a trial saga, and participants that answer what its outbox holds."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel
from saga_tables import SAGA, Clock, InboxMessage, OutboxMessage, Saga, Sessions, Told
from sqlalchemy import select
from trial_sagas import TYPES, Data, Do, three

from lab_support.database import UnitOfWork
from lab_support.messaging import Consumer, Event, event_of, unit_of_work
from lab_support.sagas import Callbacks, Orchestrator, Outcome, SagaDefinition, Timekeeper

Answer = Callable[[Any, int], BaseModel | None]
"""What a participant says to a command that comes for the n-th time; None is silence."""


def told(kind: str) -> Any:
    async def keep(uow: UnitOfWork, outcome: Outcome) -> None:
        uow.session.add(Told(subject=outcome.subject, kind=kind, step=outcome.step, reason=outcome.reason))

    return keep


class Service:
    """Everything a process builds at its start; a test that builds another one has restarted it.

    `looking` are sessions for the test's own eyes, where it counts the service's statements.
    """

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        definition: SagaDefinition | None = None,
        *,
        looking: Sessions | None = None,
        **callbacks: Any,
    ) -> None:
        self.sessions, self.clock, self.looking = sessions, clock, looking or sessions
        self.definition = definition or three()
        kinds = {kind: told(kind) for kind in ("completed", "failed", "needs_review")}
        self.orchestrator = Orchestrator(
            [self.definition],
            Saga,
            TYPES,
            Callbacks(**{**kinds, **callbacks}),
            clock=clock,
            random=lambda: 0.0,
        )
        self.hear = Consumer(
            name="orders",
            sessions=sessions,
            inbox=InboxMessage,
            outbox=OutboxMessage,
            types=TYPES,
            effect=self.orchestrator.on_reply,
        )
        self.timekeeper = Timekeeper(sessions, OutboxMessage, self.orchestrator, clock=clock)

    async def start(self, saga_id: UUID = SAGA, subject: str = "7") -> None:
        async with unit_of_work(self.sessions, OutboxMessage) as uow:
            await self.orchestrator.start(
                uow, self.definition.name, Data(order_id=subject), saga_id=saga_id, subject=subject
            )
            await uow.commit()

    async def run(self, answer: Answer, saga_id: UUID = SAGA) -> None:
        """Answer each command once, and let deadlines pass when there is nothing to answer, until the saga ends.

        A new call remembers nothing: it answers everything again, as a bus does after a crash.
        """
        heard: set[UUID] = set()
        while (await self.row(saga_id)).deadline_at is not None:
            waiting = [one for one in await commands(self.looking, saga_id) if one.event_id not in heard]
            heard |= {one.event_id for one in waiting}
            for command in waiting:
                await self._answer(command, answer, await commands(self.looking, saga_id))
            if not waiting:
                self.clock.pass_s(11)
                await self.timekeeper.turn()

    async def _answer(self, command: Event, answer: Answer, sent: list[Event]) -> None:
        copies = [one.event_id for one in sent if (one.type, one.payload) == (command.type, command.payload)]
        reply = answer(TYPES.payload_of(command), 1 + copies.index(command.event_id))
        if reply is not None:
            await self.hear(reply_to(command, reply))

    async def row(self, saga_id: UUID = SAGA) -> Saga:
        async with self.looking() as session:
            return await session.get_one(Saga, saga_id)


def reply_to(command: Event, reply: BaseModel) -> Event:
    """The same reply to the same command is the same event, however often it is delivered."""
    return TYPES.event(
        reply,
        aggregate_type="replies",
        aggregate_id=command.aggregate_id,
        cause=command,
        event_id=uuid5(command.event_id, repr(reply)),
    )


async def commands(sessions: Sessions, saga_id: UUID = SAGA) -> list[Event]:
    """The commands of a saga, in the order in which they were stored."""
    mine = select(OutboxMessage).where(OutboxMessage.headers["saga_id"].as_string() == str(saga_id))
    async with sessions() as session:
        return [event_of(row) for row in await session.scalars(mine.order_by(OutboxMessage.seq))]


async def said(sessions: Sessions, saga_id: UUID = SAGA) -> list[str]:
    """The commands of a saga as words, such as "Do a"."""
    return [f"{event.type} {event.payload['step']}" for event in await commands(sessions, saga_id)]


def is_do(command: Any, name: str) -> bool:
    return isinstance(command, Do) and command.step == name
