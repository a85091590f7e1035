"""The last order of a customer, as Orders tells of it: the newest by the time it was taken, heard in any sequence."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from lab_support.messaging import Event
from lab_support.services.customers.entities import Customer
from tests.services.customers.customer_world import CustomerWorld, created

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def taken(seconds: float, order: UUID | None = None, **more: str) -> Event:
    """Give the event of an order that was taken so long after noon."""
    moment = NOON + timedelta(seconds=seconds)
    return created(order or uuid4(), "1.00", **more).model_copy(update={"occurred_at": moment})


async def last_order(world: CustomerWorld, customer_id: str = "ada") -> tuple[datetime | None, UUID | None]:
    async with world.sessions() as session:
        customer = await session.get_one(Customer, customer_id)
        return customer.last_order_at, customer.last_order_id


async def test_older_order_never_overwrites_a_newer_one(lasting: CustomerWorld) -> None:
    newest, buyer = uuid4(), f"buyer-{uuid4().hex[:8]}"
    await lasting.add({buyer: "100.00"})

    await lasting.hear(
        *(taken(seconds, order, customer_id=buyer) for seconds, order in ((1, None), (3, newest), (2, None)))
    )

    assert await last_order(lasting, buyer) == (NOON + timedelta(seconds=3), newest)


async def test_orders_heard_at_once_leave_the_newest(lasting: CustomerWorld) -> None:
    newest, buyer = uuid4(), f"buyer-{uuid4().hex[:8]}"
    await lasting.add({buyer: "100.00"})

    older = [taken(seconds, customer_id=buyer) for seconds in range(5)]
    await lasting.at_once(*older, taken(5, newest, customer_id=buyer))

    assert (await last_order(lasting, buyer))[1] == newest


async def test_orders_of_one_moment_have_one_last_in_any_sequence(world: CustomerWorld) -> None:
    """The larger id decides; which one it is matters less than that all copies agree."""
    low, high = sorted([uuid4(), uuid4()])

    await world.hear(taken(1, low), taken(1, high), taken(1, low))

    assert (await last_order(world))[1] == high


async def test_refused_order_is_the_last_order_too(world: CustomerWorld) -> None:
    """It says when somebody bought last, not how it ended."""
    await world.set_credit("0.00")
    order = uuid4()

    await world.hear(taken(1, order))

    assert (await last_order(world))[1] == order
    assert await world.status(order) == "REFUSED"


async def test_order_of_a_stranger_changes_nobody(world: CustomerWorld) -> None:
    await world.hear(taken(1, customer_id="nobody"))

    assert await last_order(world) == (None, None)
