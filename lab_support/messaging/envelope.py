"""The envelope of every event: who did what to which aggregate, when, and because of what.

Section:
    13.5, "What stands in a row"
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from lab_support.database import utc_now
from lab_support.messaging.errors import EventTooLargeError, MalformedEventError

MAX_EVENT_BYTES: Final = 256 * 1024
"""The longest event on the wire, in bytes; brokers refuse more at limits of their own."""

MAX_VERSION: Final = 1_000_000
_MOST_REASONS = 3


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Event(BaseModel):
    """A fact that its producer has committed; it never changes.

    Attributes:
        event_id: Made by the producer; consumers recognise a repetition by it.
        type: In the past tense, such as OrderCreated.
        aggregate_type: The kind of thing it happened to; also where it is published, unless told otherwise.
        aggregate_id: Which one; events of one aggregate are published in order.
        saga_id: The business transaction it belongs to.
        causation_id: The event that was the reason for this one.
        occurred_at: By the producer's clock, in UTC.
        version: Of the payload's shape, 1 or more.
        payload: JSON; `EventTypes` gives it a type.

    Section:
        13.5, "What stands in a row"
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer envelope may carry more

    event_id: UUID = Field(default_factory=uuid4)
    type: Name
    aggregate_type: Name
    aggregate_id: Name
    saga_id: UUID | None = None
    causation_id: UUID | None = None
    occurred_at: Utc = Field(default_factory=utc_now)
    version: int = Field(default=1, ge=1, le=MAX_VERSION)
    payload: dict[str, JsonValue]

    def __repr__(self) -> str:
        """Name it without its payload, which may hold what no log should."""
        return f"<{self.type} v{self.version} {self.event_id} of {self.aggregate_type} {self.aggregate_id}>"

    __str__ = __repr__


def encode(event: Event) -> bytes:
    """Write an event as JSON in UTF-8.

    Raises:
        EventTooLargeError: It is longer than `MAX_EVENT_BYTES`.
        MalformedEventError: Its payload holds what JSON in UTF-8 cannot.
    """
    try:
        body = event.model_dump_json().encode()
    except ValueError as error:  # Pydantic's error for a lone surrogate is one
        raise MalformedEventError(repr(event), "its payload is no text in UTF-8") from error
    if len(body) > MAX_EVENT_BYTES:
        raise EventTooLargeError(event.type, len(body), MAX_EVENT_BYTES)
    return body


def decode(body: bytes) -> Event:
    """Read an event from the wire.

    Raises:
        MalformedEventError: It is not an event.
        EventTooLargeError: It is longer than `MAX_EVENT_BYTES`, so nobody parses it.
    """
    if len(body) > MAX_EVENT_BYTES:
        raise EventTooLargeError("A message", len(body), MAX_EVENT_BYTES)
    try:
        return Event.model_validate_json(body)
    except ValidationError as error:
        raise MalformedEventError("A message", reasons(error)) from error


def reasons(error: ValidationError) -> str:
    """Say what is wrong field by field, without the values: a log is no place for them."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [_told(one["loc"], one["msg"]) for one in found[:_MOST_REASONS]]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")


def _told(place: tuple[Any, ...], message: str) -> str:
    where = ".".join(str(part) for part in place)
    return f"{where}: {message}" if where else message
