"""The contract between services: what one publishes, the others can read, under the topic where they listen for it.

No service imports another one, so nothing but this test notices when a publisher and its readers drift apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from types import ModuleType
from typing import Any, Literal, get_args, get_origin
from uuid import UUID, uuid4

import pytest
from annotated_types import Ge, Le, MaxLen, MinLen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mongomock_motor import AsyncMongoMockClient
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import create_async_engine

from lab_support.database import session_factory
from lab_support.messaging import Consumer, Event, EventTypes, Listener, decode, encode
from lab_support.sagas import SagaDefinition, Step, When
from lab_support.services.catalog import events as catalog
from lab_support.services.catalog.handlers import OrderCounter
from lab_support.services.catalog.participation import participate as catalog_takes_part
from lab_support.services.customers import events as customers
from lab_support.services.customers.participation import participate as customers_take_part
from lab_support.services.inventory import events as inventory
from lab_support.services.inventory.participation import participate as inventory_takes_part
from lab_support.services.orders import commands
from lab_support.services.orders import events as orders
from lab_support.services.orders.participation import participate as orders_take_part
from lab_support.services.orders.sagas import PLACE_ORDER
from lab_support.services.payments import events as payments
from lab_support.services.payments.participation import participate as payments_take_part
from lab_support.settings import Settings

SERVICES: dict[str, ModuleType] = {
    "orders": orders,
    "customers": customers,
    "payments": payments,
    "inventory": inventory,
    "catalog": catalog,
}
PARTICIPANTS = {name: module for name, module in SERVICES.items() if hasattr(module, "COMMANDED")}
"""Those that the orchestrator asks for something."""

SHARED = {"NothingToCompensate", "CompensationFailed"}
"""What every participant tells of its own compensation."""

UNREAD: dict[str, str] = {}
"""Published types that nobody reads, each with its reason."""


@dataclass(frozen=True)
class Contract:
    """One type of event, who publishes it, who reads it, and where."""

    publisher: str
    reader: str
    topic: str
    told: type[BaseModel]
    read: type[BaseModel]

    def __str__(self) -> str:
        return f"{self.publisher}-{self.told.__name__}-{self.reader}-{self.topic}"


def contracts() -> Iterator[Contract]:
    """List who reads whom: events under the publisher's topic, commands, and the answers to commands."""
    for publisher, tells in SERVICES.items():
        published = {model.__name__: model for model in tells.PUBLISHED}
        for reader, reads in SERVICES.items():
            for model in reads.READ:
                if model.__name__ in published and reader != publisher:
                    told = published[model.__name__]
                    yield Contract(publisher, reader, tells.TOPIC, told, model)
                    if reader == "orders" and publisher in PARTICIPANTS:
                        yield Contract(publisher, reader, orders.REPLIES, told, model)
    commanded = {model.__name__: model for model in commands.COMMANDS}
    for reader, reads in PARTICIPANTS.items():
        for model in reads.COMMANDED:
            yield Contract("orders", reader, reads.COMMANDS, commanded[model.__name__], model)


CONTRACTS = sorted(contracts(), key=str)
each_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=str)


@pytest.fixture(scope="module")
def listeners() -> dict[str, list[Listener]]:
    """What each service listens to, as it is wired; nothing connects."""
    near: tuple[Any, Any] = session_factory(create_async_engine("sqlite+aiosqlite://")), None
    told = {"settings": Settings()}
    parts = {
        "orders": orders_take_part(*near, **told),
        "customers": customers_take_part(*near, **told),
        "inventory": inventory_takes_part(*near, **told),
        "payments": payments_take_part(*near, provider=None),  # type: ignore[arg-type]
        "catalog": catalog_takes_part(AsyncMongoMockClient()["contract"], near[1]),
    }
    return {name: list(part.listeners) for name, part in parts.items()}


# --- any payload that a model allows


def payloads(model: type[BaseModel]) -> st.SearchStrategy[BaseModel]:
    """Give any payload that a publisher's model allows."""
    fields = {name: values(field.annotation, field.metadata) for name, field in model.model_fields.items()}
    return st.fixed_dictionaries(fields).map(model.model_validate)


def values(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    """Give any value of a field; a kind that is not known here is an error, and not left out."""
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) is list:
        inner, own = split(get_args(annotation)[0])
        least, most = limit(metadata, MinLen, "min_length", 0), limit(metadata, MaxLen, "max_length", 3)
        return st.lists(values(inner, own), min_size=least, max_size=min(most, 5))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return payloads(annotation)
    return SCALARS[annotation](metadata)


def split(annotation: Any) -> tuple[Any, list[Any]]:
    """Take an Annotated type apart."""
    if hasattr(annotation, "__metadata__"):
        told = [one for field in annotation.__metadata__ for one in getattr(field, "metadata", [field])]
        return get_args(annotation)[0], told
    return annotation, []


def limit(metadata: list[Any], kind: type, name: str, default: int) -> int:
    return next((getattr(one, name) for one in metadata if isinstance(one, kind)), default)


def texts(metadata: list[Any]) -> st.SearchStrategy[str]:
    pattern = next((one.pattern for one in metadata if getattr(one, "pattern", None)), None)
    printable = st.characters(codec="utf-8", exclude_characters="\x00")
    return st.from_regex(pattern, fullmatch=True) if pattern else st.text(printable, max_size=30)


SCALARS: dict[Any, Callable[[list[Any]], st.SearchStrategy[Any]]] = {
    UUID: lambda _metadata: st.uuids(version=4),
    Decimal: lambda _metadata: st.decimals(Decimal(0), Decimal("9999999999.99"), places=2),
    int: lambda metadata: st.integers(limit(metadata, Ge, "ge", 0), limit(metadata, Le, "le", 2**31 - 1)),
    str: texts,
}


# --- payloads


@each_contract
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reader_gets_what_the_publisher_tells(
    contract: Contract, listeners: dict[str, list[Listener]], data: st.DataObject
) -> None:
    """Over the wire and into the reader's own model: no error, and each field it declares has the value told."""
    payload = data.draw(payloads(contract.told))
    event = decode(encode(sent(contract, payload)))
    told = payload.model_dump()

    for consumer in consumers(contract, listeners):
        read = consumer.types.payload_of(event)
        assert type(read) is contract.read
        assert read.model_dump() == cut(told, like=read.model_dump())


def sent(contract: Contract, payload: BaseModel) -> Event:
    types: EventTypes = SERVICES[contract.publisher].EVENTS
    return types.event(payload, aggregate_type=contract.topic, aggregate_id=uuid4())


def consumers(contract: Contract, listeners: dict[str, list[Listener]]) -> list[Consumer | OrderCounter]:
    """Give whatever of the reader hears the event; somebody has to."""
    found = [one.handler for one in listeners[contract.reader] if one.topic == contract.topic]
    hearing = [
        one
        for one in found
        if isinstance(one, Consumer | OrderCounter) and (not one.only or contract.told.__name__ in one.only)
    ]
    assert hearing, (
        f"{contract.reader} does not listen for {contract.told.__name__} under {contract.topic!r}."
    )
    return hearing


def cut(told: Any, *, like: Any) -> Any:
    """Take of what was told what the reader declares; what it declares and nobody tells is an error."""
    if isinstance(like, dict):
        assert like.keys() <= told.keys(), f"nobody tells {sorted(like.keys() - told.keys())}"
        return {name: cut(told[name], like=value) for name, value in like.items()}
    if isinstance(like, list):
        return [cut(one, like=wanted) for one, wanted in zip(told, like, strict=True)]
    return told


@each_contract
def test_no_field_of_a_reader_is_left_to_its_default(contract: Contract) -> None:
    """A default would hide that a publisher has stopped to tell the field, or never did."""
    assert contract.read.model_fields.keys() <= contract.told.model_fields.keys()


@each_contract
def test_field_has_one_kind_on_both_sides(contract: Contract) -> None:
    """A reader may be more tolerant in what a text may be; it may not take money for a text."""
    for name, field in contract.read.model_fields.items():
        told = kind(contract.told.model_fields[name].annotation)
        assert kind(field.annotation) == told, name


def kind(annotation: Any) -> Any:
    """Name what a value is in Python, whatever values it may have."""
    if get_origin(annotation) is Literal:
        return {type(one) for one in get_args(annotation)}.pop()
    if get_origin(annotation) is list:
        return list, kind(split(get_args(annotation)[0])[0])
    return annotation


# --- names and topics


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_reads_is_published_by_another(service: str) -> None:
    """A name with a typing error in it would wait for ever."""
    published = {
        model.__name__ for name, other in SERVICES.items() if name != service for model in other.PUBLISHED
    }
    assert {model.__name__ for model in SERVICES[service].READ} <= published


def test_each_event_has_one_publisher() -> None:
    """Two owners of one name would sooner or later mean two things by it."""
    names = [model.__name__ for module in SERVICES.values() for model in module.PUBLISHED]
    twice = {name for name in names if names.count(name) > 1}
    assert twice == SHARED


def test_each_published_event_is_read_by_somebody() -> None:
    """Or there is a reason; an event that nobody needs is a column that nobody reads."""
    read = {model.__name__ for module in SERVICES.values() for model in module.READ}
    published = {model.__name__ for module in SERVICES.values() for model in module.PUBLISHED}
    assert published - read == set(UNREAD)


def test_each_command_has_one_service_that_obeys() -> None:
    """Two would both charge, none would let the saga wait until its deadline."""
    obeyed = [model.__name__ for module in PARTICIPANTS.values() for model in module.COMMANDED]
    assert sorted(obeyed) == sorted(model.__name__ for model in commands.COMMANDS)


def test_topics_tell_the_services_apart() -> None:
    """Each publishes under its own, takes commands under its own, and answers the orchestrator under one."""
    own = [module.TOPIC for module in SERVICES.values()]
    taken = [module.COMMANDS for module in PARTICIPANTS.values()]
    assert len({*own, *taken, orders.REPLIES}) == len(own) + len(taken) + 1
    assert {module.REPLIES for module in PARTICIPANTS.values()} == {orders.REPLIES}


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_listens_to_itself(service: str, listeners: dict[str, list[Listener]]) -> None:
    """What it has to say to itself it does in one transaction."""
    assert SERVICES[service].TOPIC not in {one.topic for one in listeners[service]}


@pytest.mark.parametrize("service", SERVICES)
def test_choreography_does_not_hear_the_answers_to_commands(
    service: str, listeners: dict[str, list[Listener]]
) -> None:
    """An orchestrated order would else be worked on twice."""
    assert (orders.REPLIES in {one.topic for one in listeners[service]}) == (service == "orders")


# --- the orchestrator's steps


STEPS = [(saga, step) for saga in PLACE_ORDER.values() for step in saga.steps]


@pytest.mark.parametrize(("saga", "step"), STEPS, ids=[f"{saga.name}-{step.name}" for saga, step in STEPS])
def test_step_is_done_and_answered_by_one_service(saga: SagaDefinition, step: Step) -> None:
    """Where its commands go there is somebody who obeys them, and who publishes every answer it waits for."""
    assert issubclass(saga.data, BaseModel)
    [module] = [one for one in PARTICIPANTS.values() if step.to == one.COMMANDS]
    answers = {model.__name__ for model in module.PUBLISHED}

    awaited = [*step.success, *step.failure, *step.done, *step.refused]
    assert {name_of(one) for one in awaited} <= answers
    obeyed = {model.__name__ for model in module.COMMANDED}
    made = [step.action, *([step.compensation] if step.compensation else [])]
    assert {type(make(any_of(saga.data))).__name__ for make in made} <= obeyed


def name_of(answer: Any) -> str:
    model: type[BaseModel] = answer.type if isinstance(answer, When) else answer
    return model.__name__


def any_of(model: type[BaseModel]) -> BaseModel:
    return model.model_validate(
        {
            "order_id": uuid4(),
            "customer_id": "ada",
            "pay_by": "card",
            "total": "1.00",
            "items": [{"sku": "LAMP-7", "quantity": 1}],
        }
    )
