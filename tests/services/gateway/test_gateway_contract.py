"""The contract between the gateway and those whom it hears: what they publish it can read, and does hear."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import create_async_engine

from lab_support.database import session_factory, utc_now
from lab_support.messaging import decode, encode
from lab_support.services.customers import events as customers
from lab_support.services.gateway.events import EVENTS, READ, TOPICS
from lab_support.services.gateway.handlers import HEARS
from lab_support.services.gateway.participation import participate
from lab_support.services.gateway.projection import SERVICE_OF, fact_of
from lab_support.services.inventory import events as inventory
from lab_support.services.orders import events as orders
from lab_support.services.payments import events as payments
from lab_support.settings import Settings
from tests.services.test_event_contract import payloads

SERVICES: dict[str, ModuleType] = {
    "orders": orders,
    "customers": customers,
    "payments": payments,
    "inventory": inventory,
}


def contracts() -> Iterator[tuple[ModuleType, type[BaseModel], type[BaseModel]]]:
    """List who tells what the gateway reads: the teller, its model, the gateway's."""
    read = {model.__name__: model for model in READ}
    for tells in SERVICES.values():
        for model in tells.PUBLISHED:
            if model.__name__ in read:
                yield tells, model, read[model.__name__]


CONTRACTS = list(contracts())
each_contract = pytest.mark.parametrize(
    ("tells", "told", "read"),
    CONTRACTS,
    ids=[f"{tells.TOPIC}-{told.__name__}" for tells, told, _ in CONTRACTS],
)


@each_contract
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_gateway_understands_what_is_told(
    tells: ModuleType, told: type[BaseModel], read: type[BaseModel], data: st.DataObject
) -> None:
    """Over the wire, into the gateway's own model and into a fact: no error, and nothing is made up."""
    payload = data.draw(payloads(told))
    event = tells.EVENTS.event(payload, aggregate_type=tells.TOPIC, aggregate_id=uuid4())
    found: Any = EVENTS.payload_of(decode(encode(event)))

    assert type(found) is read
    wanted = payload.model_dump()
    assert all(wanted[name] == value for name, value in found.model_dump().items() if name != "items")
    fact = fact_of(found, service="orders", occurred_at=event.occurred_at, heard_at=utc_now())
    assert fact.order_id == wanted["order_id"]


@each_contract
def test_no_field_is_left_to_its_default(
    tells: ModuleType, told: type[BaseModel], read: type[BaseModel]
) -> None:
    """A default would hide that a publisher has stopped to tell it."""
    assert read.model_fields.keys() <= told.model_fields.keys()


def test_everything_the_gateway_reads_is_published() -> None:
    """A name with a typing error in it would wait for ever."""
    assert {told.__name__ for _tells, told, _read in CONTRACTS} == HEARS


def test_gateway_listens_where_these_are_published() -> None:
    """Each service's own topic, and the one of the answers to an orchestrator; each teller is known by name."""
    part = participate(
        session_factory(create_async_engine("sqlite+aiosqlite://")),
        None,  # type: ignore[arg-type]
        settings=Settings(),
    )
    topics = {tells.TOPIC for tells in SERVICES.values()}

    assert {one.topic for one in part.listeners} == {*topics, orders.REPLIES} == set(TOPICS)
    assert {SERVICE_OF[tells.TOPIC]: tells for tells in SERVICES.values()} == SERVICES
