"""The envelope and the registry: what goes over the wire comes back, and what cannot be read says why."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from lab_support.messaging import (
    MAX_EVENT_BYTES,
    Event,
    EventTooLargeError,
    EventTypes,
    MalformedEventError,
    NewerVersionError,
    UnknownEventTypeError,
    decode,
    encode,
)


class OrderCreated(BaseModel):
    order_id: int
    total: Decimal
    currency: str = "EUR"


@pytest.fixture
def types() -> EventTypes:
    registry = EventTypes()
    registry.register(
        OrderCreated, version=3, upcasts={1: lambda old: {"order_id": old["order"], "total": old["total"]}}
    )
    return registry


def created(**changes: Any) -> Event:
    fields = {"type": "OrderCreated", "aggregate_type": "order", "aggregate_id": "7", "payload": {}}
    return Event(**{**fields, **changes})


@given(
    payload=st.dictionaries(
        st.text(alphabet=st.characters(codec="utf-8")),
        st.text(alphabet=st.characters(codec="utf-8")) | st.integers() | st.booleans() | st.none(),
    ),
    aggregate_id=st.text(
        alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=255
    ),
    occurred_at=st.datetimes(timezones=st.just(UTC)),
)
def test_event_comes_back_from_the_wire(
    payload: dict[str, Any], aggregate_id: str, occurred_at: datetime
) -> None:
    """Decoding what was encoded gives an equal event, whatever its texts and numbers are."""
    event = created(payload=payload, aggregate_id=aggregate_id, occurred_at=occurred_at)

    assert decode(encode(event)) == event


def test_typed_payload_comes_back(types: EventTypes) -> None:
    """Money stays exact, and a reply carries its cause and saga."""
    first = types.event(
        OrderCreated(order_id=7, total=Decimal("0.10")), aggregate_type="order", aggregate_id=7
    )
    reply = types.event(
        OrderCreated(order_id=8, total=Decimal(1)), aggregate_type="order", aggregate_id=8, cause=first
    )

    assert types.payload_of(decode(encode(first))) == OrderCreated(order_id=7, total=Decimal("0.10"))
    assert first.version == 3
    assert (reply.causation_id, reply.saga_id) == (first.event_id, first.saga_id)


def test_older_versions_are_upcast(types: EventTypes) -> None:
    """Version 1 goes through its function, version 2 is read with the new field's default."""
    old = types.payload_of(created(version=1, payload={"order": 7, "total": "1.00"}))
    newer = types.payload_of(created(version=2, payload={"order_id": 7, "total": "1.00"}))

    assert old == newer == OrderCreated(order_id=7, total=Decimal("1.00"))


def test_unreadable_events_say_why(types: EventTypes) -> None:
    """An unknown type, a newer version, a wrong payload and an old one of another shape are told apart."""
    with pytest.raises(UnknownEventTypeError, match="'OrderEaten'"):
        types.payload_of(created(type="OrderEaten"))
    with pytest.raises(NewerVersionError, match=r"version 4.*up to 3"):
        types.payload_of(created(version=4))
    with pytest.raises(MalformedEventError, match=r"order_id: Field required; total: Field required"):
        types.payload_of(created(version=3))
    with pytest.raises(MalformedEventError, match="version 1 has another shape"):
        types.payload_of(created(version=1))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
        b'{"type": 1}',
        b'{"a":' * 1000,
        encode(created())[:-1],
    ],
)
def test_malformed_message_is_refused(body: bytes) -> None:
    """Whatever is no event is one error with the fields named, never another exception."""
    with pytest.raises(MalformedEventError, match="cannot be read"):
        decode(body)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": ""},
        {"aggregate_id": "x" * 256},
        {"aggregate_id": "a\x00b"},
        {"version": 0},
        {"version": 10**9},
        {"occurred_at": "2026-11-24T12:00:00"},
        {"payload": []},
        {"event_id": "7"},
        {"saga_id": "none"},
    ],
    ids=str,
)
def test_wrong_field_is_refused(wrong: dict[str, Any]) -> None:
    """Each field is checked on the wire, and the error does not repeat the value."""
    body = json.dumps({**json.loads(encode(created())), **wrong}).encode()
    [field] = wrong

    with pytest.raises(MalformedEventError, match=field) as caught:
        decode(body)
    assert "x" * 256 not in str(caught.value)


def test_oversized_event_is_refused_on_both_sides(types: EventTypes) -> None:
    """It is refused when it is made, when it is sent, and unread when it arrives."""

    class Bulk(BaseModel):
        text: str

    types.register(Bulk)
    with pytest.raises(EventTooLargeError, match="Bulk is 2"):
        types.event(Bulk(text="x" * MAX_EVENT_BYTES), aggregate_type="order", aggregate_id=7)
    with pytest.raises(EventTooLargeError):
        encode(created(payload={"text": "x" * MAX_EVENT_BYTES}))
    with pytest.raises(EventTooLargeError):
        decode(b" " * (MAX_EVENT_BYTES + 1))


def test_text_that_is_no_utf8_is_refused() -> None:
    """A lone surrogate is a clear error at the producer."""
    with pytest.raises((MalformedEventError, ValidationError)):
        encode(created(payload={"text": "\ud800"}))


def test_event_never_changes_and_hides_its_payload() -> None:
    """It is frozen, its time is in UTC, and its repr keeps the payload out of the logs."""
    noon = datetime(2026, 11, 24, 12, tzinfo=timezone(timedelta(hours=2)))
    event = created(occurred_at=noon, payload={"card": "4111"})

    assert event.occurred_at.isoformat() == "2026-11-24T10:00:00+00:00"
    assert "4111" not in f"{event!r} {event}"
    with pytest.raises(ValidationError, match="frozen"):
        event.type = "OrderEaten"


def test_registry_refuses_two_models_of_one_name(types: EventTypes) -> None:
    """A name means one payload; a version is counted from 1; an unregistered payload is no event."""
    other = type("OrderCreated", (BaseModel,), {})
    with pytest.raises(ValueError, match="registered already"):
        types.register(other)
    with pytest.raises(ValueError, match="counted from 1"):
        types.register(type("Fresh", (BaseModel,), {}), version=0)
    with pytest.raises(UnknownEventTypeError):
        types.event(other(), aggregate_type="order", aggregate_id=1)
