"""Messages between services: the envelope, the outbox and its relay, the inbox, the bus (section 13.5).

May import `database`, `pools` and `settings`.
"""

from lab_support.messaging.bus import BatchHandler, Bus, DeadLetter, Handler, Listener, Message
from lab_support.messaging.buses import BusUrlError, open_bus
from lab_support.messaging.consumer import Consumer
from lab_support.messaging.delivery_faults import DeliveryFaults
from lab_support.messaging.embedded_bus import EmbeddedBus
from lab_support.messaging.embedded_subscription import Subscription
from lab_support.messaging.envelope import MAX_EVENT_BYTES, Event, decode, encode
from lab_support.messaging.errors import (
    BrokerUnavailableError,
    EventTooLargeError,
    MalformedEventError,
    MessagingError,
    NewerVersionError,
    RedeliveredError,
    UnknownEventTypeError,
    UnreadableEventError,
)
from lab_support.messaging.event_types import EventTypes
from lab_support.messaging.inbox import InboxMixin
from lab_support.messaging.outbox import OutboxMixin, event_of, parked_events, retry_parked
from lab_support.messaging.relay import Relay
from lab_support.messaging.relay_settings import RelaySettings, Turn
from lab_support.messaging.unit_of_work import unit_of_work

__all__ = [
    "MAX_EVENT_BYTES",
    "BatchHandler",
    "BrokerUnavailableError",
    "Bus",
    "BusUrlError",
    "Consumer",
    "DeadLetter",
    "DeliveryFaults",
    "EmbeddedBus",
    "Event",
    "EventTooLargeError",
    "EventTypes",
    "Handler",
    "InboxMixin",
    "Listener",
    "MalformedEventError",
    "Message",
    "MessagingError",
    "NewerVersionError",
    "OutboxMixin",
    "RedeliveredError",
    "Relay",
    "RelaySettings",
    "Subscription",
    "Turn",
    "UnknownEventTypeError",
    "UnreadableEventError",
    "decode",
    "encode",
    "event_of",
    "open_bus",
    "parked_events",
    "retry_parked",
    "unit_of_work",
]
