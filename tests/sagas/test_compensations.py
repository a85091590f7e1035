"""Compensations: promised once, done once, tried again with waits that end, and never given up in silence."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from saga_tables import (
    MOMENT,
    SAGA,
    TYPES,
    Clock,
    CompensationTask,
    OutboxMessage,
    Refund,
    Refunded,
    RefundFailed,
    Sessions,
    everything,
    number_of,
    order_failed,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import UnitOfWork, fault, unit_of_work
from lab_support.messaging import Event
from lab_support.sagas import Compensator, RefusedError, RetryPolicy, Task, register, resolve

Effect = Callable[[UnitOfWork, Task], Awaitable[None]]
PLACES: list[dict[str, Any]] = [
    {"at_commit": True},
    {"after_commit": True},
    *({"after_statement": k} for k in range(1, 20)),  # a test ends at the first that is not reached
]


async def promise(sessions: Sessions, order: str = "7", **more: Any) -> bool:
    async with unit_of_work(sessions) as uow:
        new = await register(
            uow.session,
            CompensationTask,
            subject=order,
            action="refund",
            event=order_failed(order),
            now=MOMENT,
            **more,
        )
        await uow.commit()
    return new


async def decide(sessions: Sessions, resolution: Any) -> bool:
    async with unit_of_work(sessions) as uow:
        changed = await resolve(
            uow.session, CompensationTask, subject="7", action="refund", resolution=resolution, now=MOMENT
        )
        await uow.commit()
    return changed


async def refund(uow: UnitOfWork, task: Task) -> None:
    uow.session.add(Refund(subject=task.subject))
    refunded = Refunded(order_id=task.subject)
    uow.announce(TYPES.event(refunded, aggregate_type="payment", aggregate_id=task.subject, **task.because))
    await uow.flush()


async def fails(uow: UnitOfWork, task: Task) -> None:
    await refund(uow, task)
    raise LookupError("the provider is away")


async def refuses(uow: UnitOfWork, task: Task) -> None:
    await refund(uow, task)
    raise RefusedError("CARD_EXPIRED")


def failed(task: Task, reason: str, attempts: int) -> Event:
    told = RefundFailed(order_id=task.subject, reason=reason, attempts=attempts)
    return TYPES.event(told, aggregate_type="payment", aggregate_id=task.subject, **task.because)


def compensator(sessions: Sessions, action: Effect = refund, **changes: Any) -> Compensator:
    settings = {
        "failed": failed,
        "policy": RetryPolicy(attempts=3, backoff_s=10, longest_s=15),
        "clock": Clock(),
        "random": lambda: 0.5,
    }
    actions = {"refund": action}
    return Compensator(sessions, OutboxMessage, CompensationTask, actions, **{**settings, **changes})


async def the_task(sessions: Sessions) -> CompensationTask:
    [row] = await everything(sessions, CompensationTask)
    task: CompensationTask = row
    return task


async def announced(sessions: Sessions) -> list[str]:
    return [row.type for row in await everything(sessions, OutboxMessage)]


async def test_task_is_registered_once_however_often_it_is_asked_for(sessions: Sessions) -> None:
    """Five transactions at once and a later one: one row, and one of them is told that it was new."""
    new = await asyncio.gather(*[promise(sessions) for _ in range(5)])

    assert sorted(new) == [False, False, False, False, True]
    assert not await promise(sessions)
    assert await promise(sessions, "8")
    assert await number_of(sessions, CompensationTask) == 2


async def test_due_task_is_done_and_announced_in_one_commit(sessions: Sessions) -> None:
    """The event carries the saga's id and, as its cause, the event that asked for the compensation."""
    await promise(sessions)

    assert await compensator(sessions).turn() == 1
    assert await compensator(sessions).turn() == 0
    task = await the_task(sessions)
    [row] = await everything(sessions, OutboxMessage)
    assert (task.status, task.attempts, task.closed_at) == ("DONE", 1, MOMENT)
    assert await number_of(sessions, Refund) == 1
    assert row.topic == "payment"
    assert row.headers == {
        "saga_id": str(SAGA),
        "causation_id": str(task.causation_id),
        "version": 1,
    }


async def test_answer_goes_to_the_topic_of_the_task(sessions: Sessions) -> None:
    """What an orchestrator asked for is answered to it, not to those who listen to the service."""
    await promise(sessions, reply_to="order.replies")
    await compensator(sessions).turn()

    assert [row.topic for row in await everything(sessions, OutboxMessage)] == ["order.replies"]


async def test_two_compensators_do_a_task_once(sessions: Sessions) -> None:
    """Both have read the task before either tries it; the row lets one of them through."""
    await promise(sessions)
    both = compensator(sessions), compensator(sessions)
    due = [await one._due() for one in both]

    tried = await asyncio.gather(*[one._try(tasks[0]) for one, tasks in zip(both, due, strict=True)])

    assert sorted(tried) == [False, True]
    assert await number_of(sessions, Refund) == 1


async def test_late_compensator_does_not_repeat_a_failed_attempt(sessions: Sessions) -> None:
    """It had read the task before another one failed; the wait after that failure is its wait too."""
    await promise(sessions)
    early, late = compensator(sessions, fails), compensator(sessions, fails)
    [task] = await late._due()
    await early.turn()

    assert not await late._try(task)
    assert (await the_task(sessions)).attempts == 1


async def test_failed_attempt_keeps_nothing_and_waits_longer_each_time(sessions: Sessions) -> None:
    """Half of 10 s, then half of the longest wait of 15 s; a task is not touched before it is due."""
    await promise(sessions)
    clock = Clock()
    worker = compensator(sessions, fails, clock=clock)

    assert await worker.turn() == 1
    clock.pass_s(4.9)
    assert await worker.turn() == 0
    clock.pass_s(0.1)
    assert await worker.turn() == 1
    task = await the_task(sessions)
    assert (task.status, task.attempts, task.last_reason) == ("OPEN", 2, "LookupError")
    assert (task.next_try_at - clock.now).total_seconds() == 7.5
    assert await number_of(sessions, Refund) == 0
    assert await announced(sessions) == []


async def test_last_failed_attempt_ends_in_review(sessions: Sessions) -> None:
    """The third of three attempts is announced with a code; nobody tries a fourth time."""
    await promise(sessions)
    clock = Clock()
    worker = compensator(sessions, fails, clock=clock)
    for _ in range(5):
        await worker.turn()
        clock.pass_s(100)

    task = await the_task(sessions)
    [row] = await everything(sessions, OutboxMessage)
    assert (task.status, task.attempts) == ("REQUIRES_REVIEW", 3)
    assert row.payload == {"order_id": "7", "reason": "ATTEMPTS_EXHAUSTED", "attempts": 3}
    assert await number_of(sessions, Refund) == 0


async def test_refusal_is_not_tried_again(sessions: Sessions) -> None:
    """What the rules of business forbid is forbidden the next time too."""
    await promise(sessions)
    await compensator(sessions, refuses).turn()

    task = await the_task(sessions)
    [row] = await everything(sessions, OutboxMessage)
    assert (task.status, task.attempts, task.last_reason) == ("REQUIRES_REVIEW", 1, "CARD_EXPIRED")
    assert row.payload == {"order_id": "7", "reason": "CARD_EXPIRED", "attempts": 1}
    assert await number_of(sessions, Refund) == 0


async def test_task_without_an_action_ends_in_review(sessions: Sessions) -> None:
    """Another release may have written it; it is not dropped."""
    await promise(sessions)
    await Compensator(sessions, OutboxMessage, CompensationTask, {}, failed=failed, clock=Clock()).turn()

    assert (await the_task(sessions)).last_reason == "NO_SUCH_ACTION"
    assert await announced(sessions) == ["RefundFailed"]


async def test_retry_gives_a_task_in_review_all_its_attempts_again(sessions: Sessions) -> None:
    """A person has mended what was in the way."""
    await promise(sessions)
    await compensator(sessions, refuses).turn()

    assert await decide(sessions, "retry")
    await compensator(sessions).turn()
    task = await the_task(sessions)
    assert (task.status, task.attempts) == ("DONE", 1)
    assert await announced(sessions) == ["RefundFailed", "Refunded"]
    assert not await decide(sessions, "retry")


async def test_settled_task_is_left_alone(sessions: Sessions) -> None:
    """A person has taken care of it by other means."""
    await promise(sessions)
    await compensator(sessions, refuses).turn()

    assert await decide(sessions, "settled")
    assert await compensator(sessions).turn() == 0
    task = await the_task(sessions)
    assert (task.status, task.closed_at) == ("SETTLED", MOMENT)


async def test_open_task_cannot_be_resolved(sessions: Sessions) -> None:
    """Whoever decides about a task that was tried again meanwhile decides nothing."""
    await promise(sessions)

    assert not await decide(sessions, "settled")
    with pytest.raises(ValueError, match="use one of"):
        await decide(sessions, "forget")


@pytest.mark.parametrize("action", [refund, refuses], ids=["done", "refused"])
async def test_death_anywhere_is_made_up_for_by_the_next_turn(
    engine: AsyncEngine, sessions: Sessions, action: Effect
) -> None:
    """After a crash at each statement and commit, another process ends it with one effect and one event."""
    done = action is refund
    for number, place in enumerate(PLACES):
        order = str(number)
        await promise(sessions, order)
        with fault(engine, **place, how="die") as crash:
            await compensator(sessions, action).turn()
        await compensator(sessions, action).turn()
        if not crash.reached:
            break
    else:
        pytest.fail("The turn has more statements than there are places.")

    tasks = await everything(sessions, CompensationTask)
    assert {task.status for task in tasks} == {"DONE" if done else "REQUIRES_REVIEW"}
    assert await announced(sessions) == ["Refunded" if done else "RefundFailed"] * len(tasks)
    assert await number_of(sessions, Refund) == (len(tasks) if done else 0)


async def test_running_compensator_does_what_it_is_woken_for(sqlite_sessions: Sessions) -> None:
    """It sleeps until a commit wakes it, long before its poll, and wakes the relay in its turn."""
    relay_woken = asyncio.Event()
    worker = compensator(sqlite_sessions, wake=relay_woken.set, poll_s=1000)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    await promise(sqlite_sessions)
    worker.wake()
    await asyncio.wait_for(relay_woken.wait(), 10)
    running.cancel()

    assert (await the_task(sqlite_sessions)).status == "DONE"


async def test_compensator_goes_on_after_a_turn_that_failed(sqlite_sessions: Sessions) -> None:
    """A database that is away for two turns costs two scattered waits, and no task."""
    await promise(sqlite_sessions)
    waits: list[float] = []
    relay_woken = asyncio.Event()

    class Flaky(Compensator):
        async def turn(self) -> int:
            if len(waits) < 2:
                raise OSError("the database is away")
            return await super().turn()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    worker = Flaky(
        sqlite_sessions,
        OutboxMessage,
        CompensationTask,
        {"refund": refund},
        failed=failed,
        clock=Clock(),
        sleep=sleep,
        random=lambda: 1.0,
        wake=relay_woken.set,
    )
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(relay_woken.wait(), 10)
    running.cancel()

    assert waits == [0.5, 1.0]
    assert (await the_task(sqlite_sessions)).status == "DONE"
