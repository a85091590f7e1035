"""Messages between services: the envelope, the outbox and its relay, the inbox, the bus (section 13.5).

May import `database`, `pools` and `settings`.
"""

from lab_support.messaging.envelope import MAX_EVENT_BYTES, Event, decode, encode
from lab_support.messaging.errors import (
    BrokerUnavailableError,
    EventTooLargeError,
    MalformedEventError,
    MessagingError,
    NewerVersionError,
    UnknownEventTypeError,
    UnreadableEventError,
)
from lab_support.messaging.event_types import EventTypes

__all__ = [
    "MAX_EVENT_BYTES",
    "BrokerUnavailableError",
    "Event",
    "EventTooLargeError",
    "EventTypes",
    "MalformedEventError",
    "MessagingError",
    "NewerVersionError",
    "UnknownEventTypeError",
    "UnreadableEventError",
    "decode",
    "encode",
]
