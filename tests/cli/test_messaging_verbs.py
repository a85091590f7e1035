"""`lab relay` and `lab outbox` as somebody types them: what they publish, list and try again, and what they refuse."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from typer.testing import CliRunner, Result

from lab_support.cli import app
from lab_support.database import build_engine, create_tables, session_factory, unit_of_work, utc_now
from lab_support.messaging import EmbeddedBus, Event, Message
from lab_support.messaging import unit_of_work as announcing
from lab_support.messaging.errors import UnknownEventTypeError
from lab_support.messaging.inbox import park, receive
from lab_support.sagas.compensations import REQUIRES_REVIEW, register
from lab_support.services.customers import entities as customers
from lab_support.services.customers.entities import CompensationTask
from lab_support.services.gateway import entities as gateway
from lab_support.services.orders import entities as orders
from lab_support.services.orders.events import EVENTS, OrderApproved
from lab_support.services.split import ALL, GATEWAY
from lab_support.settings import Settings

Sessions = async_sessionmaker[AsyncSession]
ORDER = UUID("00000000-0000-4000-8000-000000000001")
CLOSED_BROKER = "amqp://me:sesame@127.0.0.1:1"


@pytest.fixture(scope="session")
def empty_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the databases of all services, with empty tables."""
    folder = tmp_path_factory.mktemp("shop")

    async def make() -> None:
        for one in (*ALL, GATEWAY):
            engine = build_engine(f"sqlite:///{folder / one.name}.db")
            await create_tables(engine, one.tables)
            if one is GATEWAY:
                await one.seed(session_factory(engine))
            await engine.dispose()

    asyncio.run(make())
    return folder


@pytest.fixture
def data(empty_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of the empty shop, and keep this machine's settings out."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LAB_{name.upper()}", raising=False)
    return shutil.copytree(empty_shop, tmp_path / "données")


def lab(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


def listed(data: Path, *arguments: str) -> list[dict[str, Any]]:
    """Read what `lab outbox --json` tells."""
    result = lab("outbox", "--data", data, "--json", *arguments)
    assert result.exit_code == 0
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def one_line(result: Result) -> str:
    """Give the only line that a failed command printed."""
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("lab: ")
    assert "sesame" not in line
    return line


def rows(data: Path, service: str, query: str) -> list[Any]:
    with closing(sqlite3.connect(data / f"{service}.db")) as file:
        return file.execute(query).fetchall()


def on(data: Path, service: str, work: Callable[[Sessions], Awaitable[None]]) -> None:
    """Do something on a service's database."""

    async def do() -> None:
        engine = build_engine(f"sqlite:///{data / service}.db")
        await work(session_factory(engine))
        await engine.dispose()

    asyncio.run(do())


def approved(type_: str = "OrderApproved", **more: Any) -> Event:
    payload = OrderApproved(order_id=ORDER, customer_id="ada")
    event = EVENTS.event(payload, aggregate_type="order", aggregate_id=ORDER, **more)
    return event.model_copy(update={"type": type_})


def announce(data: Path, *events: Event) -> None:
    """Put events into the outbox of Orders."""

    async def store(sessions: Sessions) -> None:
        async with announcing(sessions, orders.OutboxMessage) as uow:
            for event in events:
                uow.announce(event)
            await uow.commit()

    on(data, "orders", store)


def park_in_outbox(data: Path, event: Event) -> None:
    """Have an event of Orders refused until it is parked."""
    announce(data, event)

    async def change(sessions: Sessions) -> None:
        async with unit_of_work(sessions) as uow:
            given_up = {"parked_at": utc_now(), "attempts": 5, "last_error": "ValueError: too\nstrange"}
            await uow.session.execute(
                update(orders.OutboxMessage).where(orders.OutboxMessage.id == event.event_id).values(given_up)
            )
            await uow.commit()

    on(data, "orders", change)


def park_in_inbox(data: Path, event: Event, service: str = "customers") -> None:
    """Have Customers, or the gateway, park an event that it hears."""
    inbox = {"customers": customers.InboxMessage, "gateway": gateway.InboxMessage}[service]

    async def hear(sessions: Sessions) -> None:
        async with unit_of_work(sessions) as uow:
            await receive(uow.session, inbox, service, event)
            await park(uow.session, inbox, service, event, UnknownEventTypeError(event))
            await uow.commit()

    on(data, service, hear)


def give_up_releasing(data: Path) -> None:
    """Put a compensation of Customers in review."""

    async def put(sessions: Sessions) -> None:
        async with unit_of_work(sessions) as uow:
            about: dict[str, Any] = {"subject": str(ORDER), "action": "release-credit"}
            await register(uow.session, CompensationTask, **about, event=approved(), now=utc_now())
            given_up = {"status": REQUIRES_REVIEW, "attempts": 5, "last_reason": "IntegrityError"}
            await uow.session.execute(update(CompensationTask).values(given_up))
            await uow.commit()

    on(data, "customers", put)


def open_review(data: Path) -> UUID:
    """Have Orders keep an open review of that compensation."""
    review_id = uuid4()

    async def put(sessions: Sessions) -> None:
        async with unit_of_work(sessions) as uow:
            uow.session.add(
                orders.Review(
                    id=review_id,
                    order_id=ORDER,
                    saga_id=uuid4(),
                    service="customers",
                    action="release-credit",
                    reason="ATTEMPTS_EXHAUSTED",
                    attempts=5,
                    opened_at=utc_now(),
                )
            )
            await uow.commit()

    on(data, "orders", put)
    return review_id


def bury(data: Path, *events: Event) -> None:
    """Have Customers' group give up events of the bus."""

    async def fail(_event: Event) -> None:
        raise ArithmeticError("the till is closed")

    async def publish() -> None:
        async with EmbeddedBus(data / "bus.db", most_deliveries=1) as bus:
            await bus.publish([Message("order", event) for event in events])
            await bus.subscribe("order", "customers", fail).drain()

    asyncio.run(publish())


@pytest.mark.parametrize("verb", ["relay", "outbox"])
def test_verb_has_help_with_an_example(verb: str) -> None:
    """`--help` ends with a line to copy, and `lab` lists the verb."""
    result = lab(verb, "--help")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].strip().startswith(f"Example: lab {verb}")
    assert f"  {verb}" in lab().output


def test_relay_once_publishes_everything_and_counts(data: Path) -> None:
    """Afterwards the bus has the events, and there is nothing more to do."""
    announce(data, *[approved() for _ in range(3)])

    first = lab("relay", "--service", "orders", "--once", "--data", data)
    second = lab("relay", "--service", "orders", "--once", "--data", data)

    assert (first.exit_code, first.stdout) == (0, "3 event(s) of orders published.\n")
    assert second.stdout == "0 event(s) of orders published.\n"
    with closing(sqlite3.connect(data / "bus.db")) as file:
        assert file.execute("SELECT count(*) FROM log WHERE topic = 'order'").fetchall() == [(3,)]


def test_relay_tells_of_what_it_parks(data: Path) -> None:
    """A row that was changed into no event is named with its error; the others of the outbox go out."""
    broken, sound = (
        approved(),
        EVENTS.event(
            OrderApproved(order_id=uuid4(), customer_id="ada"), aggregate_type="order", aggregate_id=uuid4()
        ),
    )
    announce(data, broken, sound)

    async def spoil(sessions: Sessions) -> None:
        async with unit_of_work(sessions) as uow:
            bad = {"headers": {"version": "no number"}, "attempts": 4}
            await uow.session.execute(
                update(orders.OutboxMessage).where(orders.OutboxMessage.id == broken.event_id).values(bad)
            )
            await uow.commit()

    on(data, "orders", spoil)

    result = lab("relay", "--service", "orders", "--once", "--data", data)

    told, summed_up = result.stdout.splitlines()
    assert result.exit_code == 0
    assert told.startswith(f"Parked OrderApproved {broken.event_id} of order {ORDER}: ValidationError")
    assert summed_up == "1 event(s) of orders published, 1 parked (see `lab outbox`)."


@pytest.mark.parametrize("verb", ["relay", "outbox"])
def test_unknown_service_is_told_with_those_there_are(data: Path, verb: str) -> None:
    """One line, and status 1."""
    line = one_line(lab(verb, "--service", "shipping", "--data", data))

    assert "'shipping'" in line
    assert "orders, customers, payments, inventory" in line


@pytest.mark.parametrize("verb", ["relay", "outbox"])
def test_data_that_is_not_there_is_told(data: Path, verb: str) -> None:
    """No folder named, a folder that is missing, a file that is missing, a file that is another service's."""
    (data / "orders.db").unlink()
    shutil.copy(data / "inventory.db", data / "payments.db")
    (data / "customers.db").write_bytes(b"no database" * 1000)

    assert "--data" in one_line(lab(verb, "--service", "orders"))
    assert "no folder" in one_line(lab(verb, "--service", "orders", "--data", data / "nowhere"))
    assert "lab serve" in one_line(lab(verb, "--service", "orders", "--data", data))
    assert "not the database of the service 'payments'" in one_line(
        lab(verb, "--service", "payments", "--data", data)
    )
    assert "not a database" in one_line(lab(verb, "--service", "customers", "--data", data))
    assert not (data / "orders.db").exists()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("LAB_BUS_URL", "kafka://me:sesame@host", "amqp://"),
        ("LAB_ORDERS_URL", "oracle://me:sesame@host/shop", "oracle"),
        ("LAB_ORDERS_URL", "postgresql://me:sesame@127.0.0.1:1/shop", "127.0.0.1:1"),
        ("LAB_POOL_SIZE", "many", "LAB_POOL_SIZE"),
    ],
    ids=["bus", "database", "server", "number"],
)
@pytest.mark.parametrize("verb", ["relay", "outbox"])
def test_unusable_setting_is_told_without_its_secret(
    data: Path, monkeypatch: pytest.MonkeyPatch, verb: str, variable: str, value: str, told: str
) -> None:
    """One line, and status 1."""
    monkeypatch.setenv(variable, value)

    assert told in one_line(lab(verb, "--service", "orders", "--data", data))


def test_relay_once_without_a_broker_keeps_the_events(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker is named, and the rows are free for the next relay."""
    monkeypatch.setenv("LAB_BUS_URL", CLOSED_BROKER)
    announce(data, approved())

    line = one_line(lab("relay", "--service", "orders", "--once", "--data", data))

    assert "me:***@127.0.0.1:1" in line
    assert rows(data, "orders", "SELECT published_at, claimed_until, attempts FROM outbox") == [
        (None, None, 0)
    ]


def test_outbox_of_a_sound_shop_says_that_nothing_waits(data: Path) -> None:
    """Rows that only wait for a relay are no trouble."""
    announce(data, approved())

    result = lab("outbox", "--data", data)

    assert (result.exit_code, result.stdout) == (0, "Nothing is parked, dead or in review.\n")
    assert listed(data) == []


def test_outbox_lists_everything_that_waits(data: Path) -> None:
    """A row of each kind, with what it is about, how often it was tried and why it failed."""
    sent, heard, dead = approved(), approved("OrderTeleported"), approved()
    park_in_outbox(data, sent)
    park_in_inbox(data, heard)
    bury(data, dead)
    give_up_releasing(data)

    found = {one["kind"]: one for one in listed(data)}

    about = f"order {ORDER}"
    assert set(found) == {"outbox", "inbox", "dead letter", "compensation"}
    assert {one["aggregate"] for one in found.values()} == {about}
    assert [found["outbox"][name] for name in ("service", "id", "attempts")] == [
        "orders",
        str(sent.event_id),
        5,
    ]
    assert [found["inbox"][name] for name in ("service", "id", "type")] == [
        "customers",
        str(heard.event_id),
        "OrderTeleported",
    ]
    assert [found["dead letter"][name] for name in ("service", "id", "error")] == [
        "customers",
        str(dead.event_id),
        "ArithmeticError: the till is closed",
    ]
    assert [found["compensation"][name] for name in ("service", "type", "attempts", "error")] == [
        "customers",
        "release-credit",
        5,
        "IntegrityError",
    ]


def test_outbox_tells_a_person_in_two_lines_each(data: Path) -> None:
    """What, and below it the id and the error, on one line even if the error has several."""
    event = approved()
    park_in_outbox(data, event)

    first, second = lab("outbox", "--data", data).stdout.splitlines()

    assert first.startswith(f"orders: outbox OrderApproved of order {ORDER}, 5 attempts, since ")
    assert second == f"    {event.event_id}: ValueError: too strange"


def test_outbox_of_one_service_leaves_the_others_out(data: Path) -> None:
    """`--service` narrows the list."""
    park_in_outbox(data, approved())
    give_up_releasing(data)

    assert [one["service"] for one in listed(data, "--service", "customers")] == ["customers"]


def test_outbox_leaves_out_services_that_run_elsewhere(data: Path) -> None:
    """A folder that holds one service's data is enough; a missing one is an error only if it was named."""
    for name in ("customers", "payments", "inventory"):
        (data / f"{name}.db").unlink()
    park_in_outbox(data, approved())

    assert len(listed(data)) == 1
    assert "'payments'" in one_line(lab("outbox", "--data", data, "--service", "payments"))


def test_outbox_lists_rows_while_the_broker_is_away(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all times this is when somebody looks; what can't be listed is said aside."""
    monkeypatch.setenv("LAB_BUS_URL", CLOSED_BROKER)
    park_in_outbox(data, approved())

    result = lab("outbox", "--data", data)

    assert result.exit_code == 0
    assert "OrderApproved" in result.stdout
    assert result.stderr.startswith("lab: The dead letters can't be listed.")
    assert result.stderr.count("\n") == 1


def test_retried_row_is_published_next_time(data: Path) -> None:
    """It has all its attempts again; the next relay takes it."""
    event, other = approved(), approved()
    park_in_outbox(data, event)
    park_in_outbox(data, other)

    result = lab("outbox", "--data", data, "--retry", str(event.event_id))

    assert (result.exit_code, result.stdout.split(" ")[0]) == (0, "1")
    assert [one["id"] for one in listed(data)] == [str(other.event_id)]
    assert rows(data, "orders", "SELECT attempts, parked_at FROM outbox ORDER BY seq")[0] == (0, None)


def test_retry_of_an_unknown_id_changes_nothing(data: Path) -> None:
    """One line, and status 1."""
    park_in_outbox(data, approved())

    assert "'42'" in one_line(lab("outbox", "--data", data, "--retry", "42"))
    assert len(listed(data)) == 1


def test_retried_inbox_event_has_its_effect(data: Path) -> None:
    """An event that a newer version understands: here the letter that follows an approved order."""
    event = approved()
    park_in_inbox(data, event)

    result = lab("outbox", "--data", data, "--retry", str(event.event_id))

    assert result.exit_code == 0
    assert listed(data) == []
    assert rows(data, "customers", "SELECT count(*) FROM letters") == [(1,)]


def test_outbox_lists_and_retries_what_the_gateway_parked(data: Path) -> None:
    """An event that came to the read model before its code was ready: it is projected now."""
    event = approved()
    park_in_inbox(data, event, "gateway")

    assert [(one["service"], one["kind"]) for one in listed(data, "--service", "gateway")] == [
        ("gateway", "inbox")
    ]
    assert [one["id"] for one in listed(data)] == [str(event.event_id)]
    lab("outbox", "--data", data, "--retry", "all")

    assert listed(data) == []
    assert rows(data, "gateway", "SELECT status FROM order_summaries") == [("APPROVED",)]


def test_outbox_of_data_from_before_the_gateway_has_no_trouble(data: Path) -> None:
    """A folder without its file is no trouble, unless it is named."""
    (data / "gateway.db").unlink()

    result = lab("outbox", "--data", data)

    assert (result.exit_code, result.stderr) == (0, "")
    assert "'gateway'" in one_line(lab("outbox", "--data", data, "--service", "gateway"))


def test_inbox_event_that_is_still_strange_stays_parked(data: Path) -> None:
    """Nothing is lost by trying."""
    park_in_inbox(data, approved("OrderTeleported"))

    lab("outbox", "--data", data, "--retry", "all")

    assert [one["type"] for one in listed(data)] == ["OrderTeleported"]


def test_retried_dead_letter_is_delivered_again(data: Path) -> None:
    """Those of the same topic and group come with it, since a broker cannot choose."""
    first, second = approved(), approved()
    bury(data, first, second)

    result = lab("outbox", "--data", data, "--retry", str(second.event_id))

    heard: list[UUID] = []

    async def hear(event: Event) -> None:
        heard.append(event.event_id)

    async def deliver() -> None:
        async with EmbeddedBus(data / "bus.db") as bus:
            await bus.subscribe("order", "customers", hear).drain()

    asyncio.run(deliver())
    assert result.stdout.startswith("2 tried again")
    assert heard == [first.event_id, second.event_id]
    assert listed(data) == []


def test_retried_compensation_is_open_again(data: Path) -> None:
    """Where Orders has no review of it, the participant's own task is opened."""
    give_up_releasing(data)

    lab("outbox", "--data", data, "--retry", "all")

    assert rows(data, "customers", "SELECT status, attempts FROM compensations") == [("OPEN", 0)]


def test_retried_compensation_goes_by_the_review_of_orders(data: Path) -> None:
    """The review is decided and the participant will be told, so that both say the same."""
    give_up_releasing(data)
    open_review(data)

    lab("outbox", "--data", data, "--retry", "all")

    assert rows(data, "orders", "SELECT resolution FROM reviews") == [("retry",)]
    assert rows(data, "orders", "SELECT type FROM outbox") == [("ReviewResolved",)]
    assert rows(data, "customers", "SELECT status FROM compensations") == [(REQUIRES_REVIEW,)]
