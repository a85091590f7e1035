"""What can go wrong with a message, each with its own remedy.

    MessagingError
    ├── UnreadableEventError      this reader cannot understand it: park it, never drop it
    │   ├── MalformedEventError       not an event, or not the payload its type promises
    │   ├── UnknownEventTypeError     a type nobody registered here
    │   └── NewerVersionError         written by a newer release than this one
    ├── EventTooLargeError        refused before it is sent
    ├── RedeliveredError          one of several was dealt with before: take each by itself
    └── BrokerUnavailableError    nothing is wrong with the message: try again later

Section:
    13.5, "What stands in a row"
"""

from __future__ import annotations

from typing import Final

from lab_support.pools import Trouble, trouble_behind

_OF_THE_DATABASE: Final = (Trouble.NO_CONNECTION, Trouble.BUSY, Trouble.NO_ROOM)


class MessagingError(Exception):
    """The parent of all of them."""


class UnreadableEventError(MessagingError):
    """A message that this reader cannot understand; a later release may, so it is parked."""


class MalformedEventError(UnreadableEventError):
    """Not an event, or its payload is not what its type promises."""

    def __init__(self, what: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{what} cannot be read: {reason}. Mend its producer; a parked copy can be retried.")


class UnknownEventTypeError(UnreadableEventError):
    """No payload is registered for the type."""

    def __init__(self, type_: str) -> None:
        self.type = type_
        super().__init__(
            f"Nobody here knows the event type {type_!r}. Register its payload with EventTypes.register, "
            "then retry the parked event."
        )


class NewerVersionError(UnreadableEventError):
    """The event was written in a version that came after this reader."""

    def __init__(self, type_: str, version: int, known: int) -> None:
        self.type, self.version, self.known = type_, version, known
        super().__init__(
            f"{type_} arrived in version {version}; this reader knows versions up to {known}. "
            "Deploy a newer reader, then retry the parked event."
        )


class EventTooLargeError(MessagingError):
    """An event that no bus here will carry.

    Attributes:
        size: Its length on the wire, in bytes.
        limit: The most that is allowed, in bytes.
    """

    def __init__(self, type_: str, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        super().__init__(
            f"{type_} is {size} bytes long; a message may have {limit}. Store the bulk elsewhere and send its key."
        )


class RedeliveredError(MessagingError):
    """Of several events at least one had its effect before, so all were given back."""

    def __init__(self, consumer: str) -> None:
        super().__init__(f"{consumer} knows at least one of these events. Give it each by itself.")


class BrokerUnavailableError(MessagingError):
    """The broker gave no confirmation; the same batch may be published again later."""


def is_blameless(error: BaseException) -> bool:
    """Tell whether a handler failed because of its database, so that any message would have failed.

    Such a failure is no reason to give the message up: it waits until the database is back. A statement that was
    stopped at its time limit may well be the message's own fault.
    """
    return trouble_behind(error) in _OF_THE_DATABASE
