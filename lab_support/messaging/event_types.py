"""The typed payloads a service knows, by the name and version of their event.

Section:
    13.5, "What stands in a row"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError

from lab_support.messaging.envelope import Event, encode, reasons
from lab_support.messaging.errors import (
    MalformedEventError,
    NewerVersionError,
    UnknownEventTypeError,
)

Document = dict[str, JsonValue]
Upcast = Callable[[Document], Document]


@dataclass(frozen=True, slots=True)
class _Registered:
    model: type[BaseModel]
    version: int
    upcasts: Mapping[int, Upcast]


class EventTypes:
    """A registry: which Pydantic model is the payload of which event type.

    The type's name is the model's class name, so `class OrderCreated(BaseModel)` declares "OrderCreated".

    Section:
        13.5, "What stands in a row"
    """

    def __init__(self) -> None:
        self._by_name: dict[str, _Registered] = {}

    def register(
        self, model: type[BaseModel], *, version: int = 1, upcasts: Mapping[int, Upcast] | None = None
    ) -> None:
        """Make a payload known.

        Args:
            model: The payload in its newest version.
            version: That version.
            upcasts: For each older version, a function to the document of the next version. An older version
                without one is read as it is: adding a field with a default needs no function.

        Raises:
            ValueError: The name is taken by another model, or the version makes no sense.
        """
        name = model.__name__
        known = self._by_name.get(name)
        if known is not None and known.model is not model:
            raise ValueError(f"The event type {name!r} is registered already, as {known.model!r}.")
        if version < 1:
            raise ValueError(f"{name} is registered in version {version}; versions are counted from 1.")
        self._by_name[name] = _Registered(model, version, dict(upcasts or {}))

    def event(
        self,
        payload: BaseModel,
        *,
        aggregate_type: str,
        aggregate_id: object,
        cause: Event | None = None,
        **more: Any,
    ) -> Event:
        """Put a payload into an envelope.

        Args:
            payload: An object of a registered class.
            aggregate_type: The kind of thing it happened to.
            aggregate_id: Which one; written as text.
            cause: The event that was the reason; its saga is this one's saga.
            more: Further fields of the envelope, such as `saga_id`.

        Raises:
            UnknownEventTypeError: The class of the payload is not registered.
            EventTooLargeError: It would be too long to be published.
        """
        registered = self._by_name.get(type(payload).__name__)
        if registered is None or registered.model is not type(payload):
            raise UnknownEventTypeError(type(payload).__name__)
        if cause is not None:
            more = {"saga_id": cause.saga_id, "causation_id": cause.event_id, **more}
        event = Event(
            type=type(payload).__name__,
            version=registered.version,
            aggregate_type=aggregate_type,
            aggregate_id=str(aggregate_id),
            payload=payload.model_dump(mode="json"),
            **more,
        )
        encode(event)
        return event

    def payload_of(self, event: Event) -> BaseModel:
        """Read an event's payload, in its newest version.

        Raises:
            UnknownEventTypeError: Nobody registered its type.
            NewerVersionError: It was written in a version after the registered one.
            MalformedEventError: It is not what its type promises.
        """
        registered = self._by_name.get(event.type)
        if registered is None:
            raise UnknownEventTypeError(event.type)
        if event.version > registered.version:
            raise NewerVersionError(event.type, event.version, registered.version)
        try:
            return registered.model.model_validate(_upcast(event, registered))
        except ValidationError as error:
            raise MalformedEventError(repr(event), reasons(error)) from error
        except (LookupError, TypeError, ValueError) as error:  # an upcast met what it did not expect
            raise MalformedEventError(
                repr(event), f"its version {event.version} has another shape"
            ) from error


def _upcast(event: Event, registered: _Registered) -> Document:
    document = dict(event.payload)
    for version in sorted(registered.upcasts):
        if event.version <= version < registered.version:
            document = registered.upcasts[version](document)
    return document
