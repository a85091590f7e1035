"""The orchestrator: saga and command in one commit, one turn at a time, the same end after a death anywhere."""

import asyncio
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from pydantic import BaseModel
from running_sagas import Service, commands, is_do, reply_to, said, told
from saga_tables import (
    MOMENT,
    SAGA,
    Clock,
    OutboxMessage,
    Saga,
    Sessions,
    Told,
    everything,
    number_of,
)
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm.exc import StaleDataError
from trial_sagas import TYPES, CannotUndo, Data, Do, Done, Failed, Undo, Undone, saga, step, three

from lab_support.database import UnitOfWork, fault, trace_sql
from lab_support.messaging import unit_of_work
from lab_support.sagas import Outcome, SagaDefinitionError

THE_WAY_BACK = ["Do a", "Do b", "Do b", "Do c", "Undo b", "Undo a"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(sessions: Sessions, clock: Clock) -> Service:
    return Service(sessions, clock)


def succeeds(command: Any, nth: int) -> BaseModel:
    return Done(step=command.step) if isinstance(command, Do) else Undone(step=command.step)


def is_slow_then_fails(command: Any, nth: int) -> BaseModel | None:
    """The second step is silent at first, and the third fails."""
    if is_do(command, "b") and nth == 1:
        return None
    return Failed(step="c") if is_do(command, "c") else succeeds(command, nth)


async def told_of(sessions: Sessions) -> list[tuple[str, str | None, str | None]]:
    return [(row.kind, row.step, row.reason) for row in await everything(sessions, Told)]


async def test_saga_completes_and_tells_its_service(service: Service, sessions: Sessions) -> None:
    """The replies' contents reach the row, and the row says when it began and ended."""
    await service.start()
    await service.run(succeeds)

    row = await service.row()
    assert await said(sessions) == ["Do a", "Do b", "Do c"]
    assert await told_of(sessions) == [("completed", None, None)]
    assert (row.status, row.step, row.deadline_at) == ("COMPLETED", None, None)
    assert row.data["seen"] == ["a", "b", "c"]
    assert (row.started_at, row.ended_at) == (MOMENT, MOMENT)


async def test_failed_saga_makes_good_backward(service: Service, sessions: Sessions) -> None:
    """A silent step is asked again; a failed one ends the saga, with the service told at once."""
    await service.start()
    await service.run(is_slow_then_fails)

    row = await service.row()
    assert await said(sessions) == THE_WAY_BACK
    assert await told_of(sessions) == [("failed", "c", "NO")]
    assert (row.status, row.failed_step, row.reason) == ("COMPENSATED", "c", "NO")
    assert row.registered == ["a", "b"]


async def test_saga_is_kept_with_the_order_or_not_at_all(service: Service, sessions: Sessions) -> None:
    """What the caller rolls back has neither a row nor a command."""
    async with unit_of_work(sessions, OutboxMessage) as uow:
        await service.orchestrator.start(uow, "trial", Data(), saga_id=SAGA, subject="7")
        await uow.rollback()

    assert await number_of(sessions, Saga) == 0
    assert await number_of(sessions, OutboxMessage) == 0


async def test_saga_is_started_once(service: Service, sessions: Sessions) -> None:
    """A second start under the same id is refused, and sends nothing."""
    await service.start()

    with pytest.raises(IntegrityError):
        await service.start()
    assert await said(sessions) == ["Do a"]


async def test_command_belongs_to_the_saga_and_follows_the_reply(
    service: Service, sessions: Sessions
) -> None:
    """Saga id and cause are in the headers; the topic is the step's; the aggregate is the subject."""
    await service.start()
    [first] = await commands(sessions)
    reply = reply_to(first, Done(step="a"))
    await service.hear(reply)

    [_, row] = await everything(sessions, OutboxMessage)
    assert row.headers == {"saga_id": str(SAGA), "causation_id": str(reply.event_id), "version": 1}
    assert (row.topic, row.aggregateid) == ("b.commands", "7")


async def test_compensation_is_in_the_log_before_the_command_leaves(service: Service) -> None:
    """A crash right after the first commit finds what may have to be made good."""
    await service.start()

    row = await service.row()
    assert (row.status, row.step, row.registered, row.attempts) == ("RUNNING", "a", ["a"], 1)
    assert row.deadline_at is not None


async def test_copies_of_a_reply_send_one_command(service: Service, sessions: Sessions) -> None:
    """Five copies at once, and as many other replies that say the same: one step forward."""
    await service.start()
    [first] = await commands(sessions)
    copy = reply_to(first, Done(step="a"))
    others = [copy.model_copy(update={"event_id": uuid4()}) for _ in range(5)]
    await asyncio.gather(*[service.hear(one) for one in (copy, *others, copy, copy)])

    assert await said(sessions) == ["Do a", "Do b"]


@pytest.mark.parametrize("saga_id", [None, UUID(int=5)], ids=["no saga", "an unknown saga"])
async def test_reply_of_no_saga_here_changes_nothing(
    service: Service, sessions: Sessions, saga_id: UUID | None
) -> None:
    """Another coordination's events, or another service's, pass by."""
    await service.start()
    await service.hear(TYPES.event(Done(step="a"), aggregate_type="x", aggregate_id=7, saga_id=saga_id))

    assert await said(sessions) == ["Do a"]
    assert (await service.row()).version == 1


async def test_reply_without_effect_does_not_touch_the_row(service: Service, sessions: Sessions) -> None:
    """The version counts changes, not messages."""
    await service.start()
    [first] = await commands(sessions)
    await service.hear(reply_to(first, Done(step="c")))

    assert (await service.row()).version == 1


async def test_failing_callback_keeps_the_saga_where_it_was(sessions: Sessions, clock: Clock) -> None:
    """The bus delivers the reply again, and the turn is taken again, once."""

    async def fails(uow: UnitOfWork, outcome: Outcome) -> None:
        await told("failed")(uow, outcome)
        await uow.flush()
        raise LookupError("no such order")

    broken = Service(sessions, clock, failed=fails)
    await broken.start()
    [first] = await commands(sessions)
    with pytest.raises(LookupError):
        await broken.hear(reply_to(first, Failed(step="a")))
    assert (await broken.row()).status == "RUNNING"

    await Service(sessions, clock).hear(reply_to(first, Failed(step="a")))
    assert (await broken.row()).status == "COMPENSATED"
    assert await told_of(sessions) == [("failed", "a", "NO")]


async def test_callback_can_announce_with_saga_and_cause(sessions: Sessions, clock: Clock) -> None:
    """What the service tells the others belongs to the saga."""

    async def announces(uow: UnitOfWork, outcome: Outcome) -> None:
        uow.announce(TYPES.event(Undo(step="x"), aggregate_type="order", aggregate_id=7, **outcome.because))

    service = Service(sessions, clock, saga(step("a")), completed=announces)
    await service.start()
    [first] = await commands(sessions)
    reply = reply_to(first, Done(step="a"))
    await service.hear(reply)

    [_, event] = await commands(sessions)
    assert (event.saga_id, event.causation_id) == (SAGA, reply.event_id)


async def test_deadline_grows_with_each_attempt(sessions: Sessions, clock: Clock) -> None:
    """Ten seconds, and all of the backoff of 1 s when chance gives all of it."""
    service = Service(sessions, clock)
    service.orchestrator._random = lambda: 1.0
    await service.start()

    assert ((await service.row()).deadline_at - clock.now).total_seconds() == 11  # type: ignore[operator]


async def test_timekeeper_leaves_alone_what_is_not_due(
    service: Service, sessions: Sessions, clock: Clock
) -> None:
    """Until the deadline the answer may still come."""
    await service.start()
    clock.pass_s(9.9)

    assert await service.timekeeper._due() == []
    assert await service.timekeeper.turn() == 0
    clock.pass_s(0.1)
    assert await service.timekeeper.turn() == 1
    assert await said(sessions) == ["Do a", "Do a"]


async def test_two_timekeepers_send_a_command_once(
    service: Service, sessions: Sessions, clock: Clock
) -> None:
    """Both have seen the same saga overdue; the row lets one of them go on."""
    await service.start()
    clock.pass_s(11)
    other = Service(sessions, clock).timekeeper

    assert await service.timekeeper._due() == await other._due() == [SAGA]
    went_on = await asyncio.gather(service.timekeeper._go_on(SAGA), other._go_on(SAGA))
    assert sorted(went_on) == [False, True]
    assert await said(sessions) == ["Do a", "Do a"]


async def test_answer_in_time_is_not_taken_for_silence(
    service: Service, sessions: Sessions, clock: Clock
) -> None:
    """It came after the timekeeper had looked, and before it went on."""
    await service.start()
    clock.pass_s(11)
    due = await service.timekeeper._due()
    [first] = await commands(sessions)
    await service.hear(reply_to(first, Done(step="a")))

    assert [await service.timekeeper._go_on(one) for one in due] == [False]
    assert await said(sessions) == ["Do a", "Do b"]


async def test_saga_of_an_unknown_definition_does_not_hold_up_others(
    service: Service, sessions: Sessions, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with what to do, and stays as it is; a reply to it is refused, so that the bus keeps it."""
    old = Service(sessions, clock, saga(step("a"), name="of-another-release"))
    await old.start(UUID(int=1), "1")
    clock.pass_s(0.1)
    await service.start()
    clock.pass_s(11)

    assert await service.timekeeper.turn() == 1
    assert "No saga is called 'of-another-release' here" in caplog.text
    [first] = await commands(sessions, UUID(int=1))
    with pytest.raises(SagaDefinitionError, match="Keep the definitions"):
        await service.hear(reply_to(first, Done(step="a")))


async def test_unanswered_compensation_ends_in_review(service: Service, sessions: Sessions) -> None:
    """It was asked for twice; the other compensations were done; the service knows."""
    await service.start()
    await service.run(
        lambda command, nth: (
            None
            if isinstance(command, Undo) and command.step == "b"
            else is_slow_then_fails(command, nth + 1)
        )
    )

    row = await service.row()
    assert await said(sessions) == ["Do a", "Do b", "Do c", "Undo b", "Undo b", "Undo a"]
    assert (row.status, row.in_review, row.ended_at) == ("REQUIRES_REVIEW", ["b"], None)
    assert await told_of(sessions) == [("failed", "c", "NO"), ("needs_review", "b", "UNANSWERED")]


async def test_settled_review_ends_the_saga(service: Service, sessions: Sessions) -> None:
    """A person has taken care of what the participant refused."""
    await service.start()
    await service.run(
        lambda command, nth: (
            CannotUndo(step=command.step)
            if isinstance(command, Undo)
            else is_slow_then_fails(command, nth + 1)
        )
    )
    assert (await service.row()).in_review == ["b", "a"]
    for name in "ab":
        async with unit_of_work(sessions, OutboxMessage) as uow:
            await service.orchestrator.settle(uow, SAGA, name)
            await uow.commit()

    row = await service.row()
    assert (row.status, row.ended_at) == ("COMPENSATED", service.clock.now)


async def test_change_behind_the_lock_is_refused(sessions: Sessions, service: Service) -> None:
    """Who wrote without having locked the row meets its version."""
    await service.start()
    async with sessions() as early, sessions() as late:
        mine = await early.get_one(Saga, SAGA)
        await early.commit()
        theirs = await late.get_one(Saga, SAGA)
        theirs.reason = "theirs"
        await late.commit()
        mine.reason = "mine"
        with pytest.raises(StaleDataError):
            await early.flush()

    assert (await service.row()).reason == "theirs"


async def test_turns_send_few_statements(engine: AsyncEngine, service: Service, sessions: Sessions) -> None:
    """A start writes saga and command; a reply writes the inbox, reads the saga, writes saga and command."""
    with trace_sql(engine) as start:
        await service.start()
    [first] = await commands(sessions)
    with trace_sql(engine) as reply:
        await service.hear(reply_to(first, Done(step="a")))
    service.clock.pass_s(11)
    with trace_sql(engine) as silence:
        await service.timekeeper.turn()

    assert [len(one.statements) for one in (start, reply, silence)] == [2, 4, 4]


def places(backend: str) -> list[dict[str, Any]]:
    """Every statement on SQLite, a sample elsewhere."""
    pace = 1 if backend == "sqlite" else 7
    return [
        {"at_commit": True},
        {"after_commit": True},
        *({"after_statement": k} for k in range(1, 99, pace)),
    ]


async def test_death_at_any_statement_changes_no_end(
    engine: AsyncEngine, sessions: Sessions, looking: Sessions, backend: str
) -> None:
    """Every object is dropped and built anew; the bus answers everything again; each saga ends alike."""
    reached = 0
    for number, place in enumerate(places(backend)):
        saga_id, clock = uuid5(SAGA, str(number)), Clock()
        with fault(engine, **place, how="die") as crash:
            await live(Service(sessions, clock, looking=looking), saga_id)
        await live(Service(sessions, clock, looking=looking), saga_id)

        row = await Service(looking, clock).row(saga_id)
        assert await said(looking, saga_id) == THE_WAY_BACK, place
        assert (row.status, row.failed_step) == ("COMPENSATED", "c")
        reached += crash.reached
        if not crash.reached:
            break
    else:
        pytest.fail("The saga has more statements than there are places.")

    assert reached >= (28 if backend == "sqlite" else 6)
    assert await told_of(looking) == [("failed", "c", "NO")] * (reached + 1)


async def live(service: Service, saga_id: UUID) -> None:
    """What a process does with one saga: begin it unless it was begun, and go on until it ends."""
    try:
        await service.row(saga_id)
    except NoResultFound:
        await service.start(saga_id, str(saga_id))
    await service.run(is_slow_then_fails, saga_id)


async def test_sagas_at_once_do_not_disturb_each_other(sessions: Sessions, clock: Clock) -> None:
    """Eight at once on one saga log: each ends as it would alone."""
    service = Service(sessions, clock, three())
    ids = [uuid5(SAGA, f"at once {n}") for n in range(8)]
    for number, saga_id in enumerate(ids):
        await service.start(saga_id, str(number))

    async def one(number: int, saga_id: UUID) -> None:
        while waiting := await commands(sessions, saga_id):
            command = waiting[-1]
            known = TYPES.payload_of(command)
            fails = number % 2 and is_do(known, "c")
            await service.hear(reply_to(command, Failed(step="c") if fails else succeeds(known, 1)))
            if (await service.row(saga_id)).deadline_at is None:
                return

    await asyncio.gather(*[one(number, saga_id) for number, saga_id in enumerate(ids)])

    ends = [(await service.row(saga_id)).status for saga_id in ids]
    assert ends == ["COMPLETED", "COMPENSATED"] * 4
