"""What Customers does when an orchestrator asks: the same, and it answers under `order.replies`."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from lab_support.messaging import Event
from tests.services.customers.customer_world import CustomerWorld, failed, release, reserve, verify


@pytest.fixture
def order() -> UUID:
    return uuid4()


async def replies(world: CustomerWorld) -> list[str]:
    """Give the types of the answers; everything else would be heard by the choreography."""
    announced = await world.announced()
    assert {topic for topic, _ in announced} <= {"order.replies"}
    return [event.type for _topic, event in announced]


async def test_command_reserves_credit_and_is_answered(world: CustomerWorld, order: UUID) -> None:
    command = reserve(order)

    await world.hear(command)

    assert await replies(world) == ["CustomerCreditReserved"]
    assert await world.credit() == "70.00"
    [(_topic, event)] = await world.announced()
    assert (event.saga_id, event.causation_id) == (command.saga_id, command.event_id)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (reserve, "CustomerCreditReserved"),
        (lambda order: reserve(order, "500.00"), "CustomerCreditLimitExceeded"),
        (lambda order: reserve(order, customer_id="linus"), "CustomerVerificationFailed"),
        (lambda order: reserve(order, customer_id="nobody"), "CustomerVerificationFailed"),
        (verify, "CustomerVerified"),
        (lambda order: verify(order, "linus"), "CustomerVerificationFailed"),
    ],
    ids=["reserve", "too-little", "blocked", "unknown", "verify", "verify-blocked"],
)
async def test_orchestrator_that_asks_again_gets_the_same_answer(
    world: CustomerWorld, order: UUID, command: Callable[[UUID], Event], answer: str
) -> None:
    await world.hear(command(order))
    credit = await world.credit()
    await world.hear(command(order))

    assert await replies(world) == [answer, answer]
    assert await world.credit() == credit
    first, second = [event.payload for _topic, event in await world.announced()]
    assert first == second


async def test_release_gives_credit_back_and_is_answered_each_time(world: CustomerWorld, order: UUID) -> None:
    await world.hear(reserve(order), release(order))
    await world.compensate()
    await world.hear(release(order))
    await world.compensate()

    assert await replies(world) == [
        "CustomerCreditReserved",
        "CustomerCreditReleased",
        "CustomerCreditReleased",
    ]
    assert await world.credit() == "100.00"


async def test_release_before_the_command_keeps_it_from_happening(world: CustomerWorld, order: UUID) -> None:
    await world.hear(release(order))
    await world.compensate()
    await world.hear(reserve(order), release(order))
    await world.compensate()

    assert await replies(world) == ["NothingToCompensate", "NothingToCompensate"]
    assert await world.status(order) == "CANCELLED"
    assert await world.credit() == "100.00"


async def test_release_that_is_still_open_is_not_answered_twice(world: CustomerWorld, order: UUID) -> None:
    await world.hear(reserve(order), release(order), release(order))
    before = await replies(world)
    await world.compensate()

    assert before == ["CustomerCreditReserved"]
    assert await replies(world) == ["CustomerCreditReserved", "CustomerCreditReleased"]


async def test_release_that_fails_for_good_is_told_to_the_orchestrator(
    world: CustomerWorld, order: UUID
) -> None:
    await world.hear(reserve(order))
    await world.remove("ada")
    await world.hear(release(order))
    await world.compensate()
    await world.hear(release(order))

    assert await replies(world) == ["CustomerCreditReserved", "CompensationFailed"]


async def test_end_of_an_orchestrated_order_leaves_what_was_decided(
    world: CustomerWorld, order: UUID
) -> None:
    await world.hear(reserve(order), failed(order))

    assert await world.status(order) == "RESERVED"
