"""Answers to 13.5.1 to 13.5.3 that nobody stored: wrong ones get no false cause, right ones pass."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from lab_support.database import utc_now
from lab_support.exercises import State, Verdict, find, judge
from lab_support.exercises.s13_05.shop import (
    ATTEMPTS,
    CONSUMER,
    Article,
    InboxMessage,
    MessageRefused,
    Order,
    OutboxMessage,
)
from lab_support.messaging import BrokerUnavailableError, Event, Message, event_of, unit_of_work
from lab_support.messaging.inbox import receive
from lab_support.messaging.outbox import write

EXERCISES = ("13.5.1", "13.5.2", "13.5.3")


def judged(exercise_id: str, answer: Any) -> Verdict:
    (name,) = find(exercise_id).student_writes
    return judge(find(exercise_id), {name: answer})


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.parametrize("nonsense", [None, 7, [], object, lambda: None, print])
@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, nonsense)

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


# 13.5.1: a right answer in parts, to be spoiled.


def created(order, **spoiled):
    payload = {"order_id": order.id, "customer_id": order.customer_id, "total": str(order.total)}
    return Event(
        type="OrderCreated",
        aggregate_type="Order",
        aggregate_id=str(order.id),
        payload={**payload, **spoiled.pop("payload", {})},
        **spoiled,
    )


def placing(*, events=lambda order: [created(order)], commit=True, published_at=None):
    """Make a right `place_order`, to be spoiled by its arguments."""

    async def place_order(sessions, bus, customer_id, total):
        async with unit_of_work(sessions, OutboxMessage) as uow:
            order = Order(customer_id=customer_id, total=total)
            uow.session.add(order)
            await uow.flush()
            for one in events(order):
                uow.announce(one)
            if commit:
                await uow.commit()
                if published_at:
                    await uow.session.execute(update(OutboxMessage).values(published_at=published_at))
                    await uow.commit()
            return order.id

    return place_order


def test_base_of_the_spoiled_orders_passes():
    """What the following tests spoil is right before."""
    assert judged("13.5.1", placing()).passed


def test_event_may_be_written_by_a_listener():
    """A listener of the session that adds the row at the flush is one transaction too."""

    async def place_order(sessions, bus, customer_id, total):
        async with sessions.begin() as session:
            order = Order(customer_id=customer_id, total=total)

            @event.listens_for(order_session := session.sync_session, "after_flush", once=True)
            def announce(*_):
                one = created(order)
                order_session.execute(
                    insert(OutboxMessage).values(
                        id=one.event_id, aggregatetype="Order", aggregateid=one.aggregate_id, type=one.type,
                        payload=one.payload, topic="Order", headers={"version": 1}, occurred_at=one.occurred_at,
                    )
                )  # fmt: skip

            session.add(order)
        return order.id

    assert judged("13.5.1", place_order).passed


def test_outbox_may_be_written_by_the_library():
    """`write` in a session of one's own is what the unit of work does."""

    async def place_order(sessions, bus, customer_id, total):
        async with sessions() as session:
            order = Order(customer_id=customer_id, total=total)
            session.add(order)
            await session.flush()
            await write(session, OutboxMessage, [created(order)])
            await session.commit()
            return order.id

    assert judged("13.5.1", place_order).passed


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ({"events": lambda order: []}, "do not agree"),
        ({"events": lambda order: [created(order), created(order)]}, "do not agree"),
        ({"events": lambda order: [created(order, payload={"total": float(order.total)})]}, "Money"),
        ({"events": lambda order: [created(order, payload={"order_id": 0})]}, "does not tell"),
        ({"events": lambda order: [created(order, payload={"customer_id": None})]}, "does not tell"),
        ({"events": lambda order: [created(order).model_copy(update={"type": "OrderPlaced"})]}, "not one that"),
        ({"commit": False}, "not in the table"),
        ({"published_at": utc_now()}, "not one that"),
    ],
    ids=["no-event", "two", "float", "wrong-id", "no-customer", "wrong-type", "no-commit", "marked"],
)  # fmt: skip
def test_spoiled_order_fails_without_a_cause(spoiled, message):
    """What is wrong with the event or the order is told, and no belief is blamed for it."""
    verdict = judged("13.5.1", placing(**spoiled))

    assert causes(verdict) == []
    assert message in verdict.decisive.message


def test_event_with_a_constant_id_fails():
    """Consumers tell events apart by their ids; the second one is refused."""
    answer = placing(events=lambda order: [created(order, event_id=UUID(int=7))])

    assert causes(judged("13.5.1", answer)) == []


def test_swallowed_refusal_is_told():
    """A caller must not get an id for an order that the database refused."""
    place = placing()

    async def place_order(*arguments):
        try:
            return await place(*arguments)
        except IntegrityError:
            return 0

    verdict = judged("13.5.1", place_order)

    assert causes(verdict) == []
    assert "was not told" in verdict.decisive.message


def test_publication_in_the_background_is_seen():
    """A task that publishes later is a publication by hand."""
    place, tasks = placing(), set()

    async def place_order(sessions, bus, customer_id, total):
        order_id = await place(sessions, bus, customer_id, total)
        one = created(Order(id=order_id, customer_id=customer_id, total=total))
        tasks.add(asyncio.create_task(bus.publish([Message("Order", one)])))
        return order_id

    assert causes(judged("13.5.1", place_order)) == ["publishes-directly"]


# 13.5.2


def outcome_of(row, refused, attempts):
    if refused is None:
        return {"published_at": utc_now()}
    parked_at = utc_now() if row.attempts + 1 >= attempts else None
    return {"attempts": row.attempts + 1, "last_error": str(refused), "parked_at": parked_at}


async def mark(sessions, outcomes):
    async with sessions.begin() as session:
        for seq, outcome in outcomes:
            await session.execute(update(OutboxMessage).where(OutboxMessage.seq == seq).values(outcome))


def relaying(
    *, order=OutboxMessage.seq, limit=100, refusal=MessageRefused, attempts=ATTEMPTS, holds=True,
    of=lambda row: (row.aggregatetype, row.aggregateid), message=lambda row: Message(row.topic, event_of(row)),
    keep=mark,
):  # fmt: skip
    """Make a right `relay_turn`, to be spoiled by its arguments."""

    async def relay_turn(sessions, bus):
        query = select(OutboxMessage).where(OutboxMessage.published_at.is_(None)).order_by(order)
        async with sessions() as session:
            rows = list(await session.scalars(query.limit(limit)))
        waiting = set()
        for row in rows:
            if row.parked_at or of(row) in waiting:
                if holds:
                    waiting.add(of(row))
                continue
            refused = None
            try:
                await bus.publish([message(row)])
            except refusal as error:
                refused = error
                waiting.add(of(row))
            await keep(sessions, [(row.seq, outcome_of(row, refused, attempts))])

    return relay_turn


def test_base_of_the_spoiled_relays_passes():
    """What the following tests spoil is right before."""
    assert judged("13.5.2", relaying()).passed


def test_marks_may_be_written_at_the_end_of_a_turn():
    """A crash before the only commit repeats the whole turn, and loses nothing."""
    outcomes: list[Any] = []

    async def later(_sessions, some):
        outcomes.extend(some)

    publish_all = relaying(keep=later)

    async def relay_turn(sessions, bus):
        outcomes.clear()
        with suppress(BrokerUnavailableError):
            await publish_all(sessions, bus)
        await mark(sessions, outcomes)

    assert judged("13.5.2", relay_turn).passed


def test_database_may_find_who_has_to_wait():
    """One query for the oldest row of each aggregate, asked until there is none, is right too."""

    async def relay_turn(sessions, bus):
        other = OutboxMessage.__table__.alias()
        older = (
            select(other.c.seq)
            .where(
                other.c.aggregatetype == OutboxMessage.aggregatetype,
                other.c.aggregateid == OutboxMessage.aggregateid,
                other.c.published_at.is_(None),
                other.c.seq < OutboxMessage.seq,
            )
            .exists()
        )
        tried: set[int] = set()
        while True:
            first = select(OutboxMessage).where(
                OutboxMessage.published_at.is_(None),
                OutboxMessage.parked_at.is_(None),
                OutboxMessage.seq.not_in(tried),
                ~older,
            )
            async with sessions() as session:
                rows = list(await session.scalars(first))
            if not rows:
                return
            for row in rows:
                tried.add(row.seq)
                refused = None
                try:
                    await bus.publish([Message(row.topic, event_of(row))])
                except MessageRefused as error:
                    refused = error
                await mark(sessions, [(row.seq, outcome_of(row, refused, ATTEMPTS))])

    assert judged("13.5.2", relay_turn).passed


def without_saga(row):
    stored = event_of(row)
    return Message(row.topic, stored.model_copy(update={"saga_id": None}))


async def delete_published(sessions, outcomes):
    for seq, outcome in outcomes:
        if "published_at" in outcome:
            async with sessions.begin() as session:
                await session.execute(delete(OutboxMessage).where(OutboxMessage.seq == seq))
        else:
            await mark(sessions, [(seq, outcome)])


async def forget(_sessions, _outcomes):
    return None


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ({"order": OutboxMessage.occurred_at}, "out of order"),
        ({"order": OutboxMessage.id}, "out of order"),
        ({"limit": 1}, "are lost"),
        ({"refusal": Exception}, "were blamed"),
        ({"attempts": 1}, "not before"),
        ({"attempts": ATTEMPTS + 1}, "not before"),
        ({"holds": False}, "all the same"),
        ({"of": lambda row: row.seq}, "went out before it"),
        ({"message": without_saga}, "not what their rows hold"),
        ({"message": lambda row: Message("all", event_of(row))}, "not what their rows hold"),
        ({"keep": delete_published}, "not marked"),
        ({"keep": forget}, "not marked"),
    ],
    ids=["by-clock", "by-id", "one-row", "blames-all", "parks-at-once", "parks-late", "parked-overtaken",
         "no-order", "no-saga", "one-topic", "deletes", "never-marks"],
)  # fmt: skip
def test_spoiled_relay_fails_without_a_cause(spoiled, message):
    """What went wrong is told, and no belief is blamed for it."""
    verdict = judged("13.5.2", relaying(**spoiled))

    assert causes(verdict) == []
    assert message in verdict.decisive.message


def test_id_alone_is_no_aggregate():
    """An order and a customer may have the same id; a refused order does not hold back the customer."""
    verdict = judged("13.5.2", relaying(of=lambda row: row.aggregateid))

    assert "other aggregates" in verdict.decisive.message


def test_publications_sent_together_lose_the_order():
    """Who does not wait for a confirmation has no order."""

    async def relay_turn(sessions, bus):
        query = select(OutboxMessage).where(OutboxMessage.published_at.is_(None)).order_by(OutboxMessage.seq)
        async with sessions() as session:
            rows = list(await session.scalars(query))
        await asyncio.gather(*(bus.publish([Message(row.topic, event_of(row))]) for row in rows))
        await mark(sessions, [(row.seq, {"published_at": utc_now()}) for row in rows])

    verdict = judged("13.5.2", relay_turn)

    assert "out of order" in verdict.decisive.message


def test_marks_alone_are_found_out():
    """A relay that only says so is a relay that marks for nothing."""

    async def relay_turn(sessions, bus):
        async with sessions.begin() as session:
            await session.execute(update(OutboxMessage).values(published_at=utc_now()))

    verdict = judged("13.5.2", relay_turn)

    assert causes(verdict) == ["mark-before-publish"]


# 13.5.3


def taking(event_, pieces=None):
    quantity = event_.payload["quantity"] if pieces is None else pieces
    return (
        update(Article).where(Article.sku == event_.payload["sku"]).values(on_hand=Article.on_hand - quantity)
    )


async def handle(sessions, event_):
    async with sessions.begin() as session:
        if await receive(session, InboxMessage, CONSUMER, event_):
            await session.execute(taking(event_))


def test_base_of_the_spoiled_consumers_passes():
    """What the following tests spoil is right before."""
    assert judged("13.5.3", handle).passed


def test_memory_may_save_a_look_into_the_inbox():
    """A cache of what is committed does no harm in front of an inbox."""
    done = set()

    async def cached(sessions, event_):
        if event_.event_id not in done:
            await handle(sessions, event_)
            done.add(event_.event_id)

    assert judged("13.5.3", cached).passed


def test_serializable_transactions_that_are_repeated_pass():
    """At SERIALIZABLE the database finds the copy; whoever is refused looks again."""

    async def careful(sessions, event_):
        while True:
            async with sessions(
                execution_options={**sessions.kw["execution_options"], "isolation_level": "SERIALIZABLE"}
            ) as session:
                if await session.get(InboxMessage, (CONSUMER, event_.event_id)):
                    return
                row = {"consumer": CONSUMER, "event_id": event_.event_id, "type": event_.type}
                try:
                    await session.execute(insert(InboxMessage).values(received_at=utc_now(), **row))
                    await session.execute(taking(event_))
                    await session.commit()
                    return
                except DBAPIError as error:
                    code = getattr(error.orig, "sqlstate", "")
                    if code != "40001" and "inbox" not in str(error.orig):
                        raise

    assert judged("13.5.3", careful).passed


def test_error_of_a_copy_is_no_answer():
    """Who inserts first and lets the refusal out makes a failure of each repetition."""

    async def lets_out(sessions, event_):
        async with sessions.begin() as session:
            session.add(
                InboxMessage(
                    consumer=CONSUMER, event_id=event_.event_id, type=event_.type, received_at=utc_now()
                )
            )
            await session.flush()
            await session.execute(taking(event_))

    verdict = judged("13.5.3", lets_out)

    assert verdict.state is State.ERROR
    assert causes(verdict) == []


def test_every_integrity_error_is_not_a_repetition():
    """Who takes the refused effect for a repetition loses the event."""

    async def swallows(sessions, event_):
        try:
            async with sessions.begin() as session:
                session.add(
                    InboxMessage(
                        consumer=CONSUMER, event_id=event_.event_id, type=event_.type, received_at=utc_now()
                    )
                )
                await session.flush()
                await session.execute(taking(event_))
        except IntegrityError:
            return

    verdict = judged("13.5.3", swallows)

    assert causes(verdict) == []
    assert "will not come again" in verdict.decisive.message


def test_key_of_the_inbox_has_two_parts():
    """An event that another consumer noted is new to this one."""

    async def any_consumer(sessions, event_):
        async with sessions() as session:
            if await session.scalar(
                select(InboxMessage.type).where(InboxMessage.event_id == event_.event_id)
            ):
                return
        await handle(sessions, event_)

    verdict = judged("13.5.3", any_consumer)

    assert causes(verdict) == []
    assert "mails" in verdict.decisive.message


def test_another_order_must_not_be_put_back():
    """An inbox does not help against a lost update."""

    async def writes_back(sessions, event_):
        async with sessions.begin() as session:
            if await receive(session, InboxMessage, CONSUMER, event_):
                article = await session.get_one(Article, event_.payload["sku"])
                article.on_hand -= event_.payload["quantity"]

    verdict = judged("13.5.3", writes_back)

    assert causes(verdict) == []
    assert "Two orders took pieces" in verdict.decisive.message


@pytest.mark.parametrize("pieces", [0, 1])
def test_wrong_number_of_pieces_has_no_cause(pieces):
    """An effect that is another one than asked for is told as that."""

    async def miscounts(sessions, event_):
        async with sessions.begin() as session:
            if await receive(session, InboxMessage, CONSUMER, event_):
                await session.execute(taking(event_, pieces))

    assert causes(judged("13.5.3", miscounts)) == []


def test_effect_on_all_articles_is_told():
    """Pieces of another article stay where they are."""

    async def takes_everywhere(sessions, event_):
        async with sessions.begin() as session:
            if await receive(session, InboxMessage, CONSUMER, event_):
                await session.execute(
                    update(Article).values(on_hand=Article.on_hand - event_.payload["quantity"])
                )

    verdict = judged("13.5.3", takes_everywhere)

    assert "another article" in verdict.decisive.message


def test_inbox_under_another_id_is_no_inbox():
    """An id made here recognises nothing."""

    async def own_id(sessions, event_):
        await handle(sessions, event_.model_copy(update={"event_id": uuid4()}))

    assert causes(judged("13.5.3", own_id)) == []


def test_advisory_lock_does_not_bind_others():
    """A lock that another process does not ask for is one of the ways to look before one writes."""

    async def advised(sessions, event_):
        async with sessions.begin() as session:
            if session.get_bind().dialect.name == "postgresql":
                await session.execute(text("SELECT pg_advisory_xact_lock(135)"))
            if await session.get(InboxMessage, (CONSUMER, event_.event_id)):
                return
            await session.execute(taking(event_))
            session.add(
                InboxMessage(
                    consumer=CONSUMER, event_id=event_.event_id, type=event_.type, received_at=utc_now()
                )
            )

    assert causes(judged("13.5.3", advised)) == ["check-then-insert"]
