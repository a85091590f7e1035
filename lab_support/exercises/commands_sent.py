"""What a student's code sends to MongoDB, traced as SQL is, so that a card can show it.

Section:
    13.7, 13.8
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import Decimal128, ObjectId
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from lab_support.database import Trace, TracedEvent

UNSAID = {"lsid", "ordered", "txnNumber", "cursor", "singleBatch"}
NOT_COUNTED = {"endSessions", "killCursors"}
PAYLOADS = {"documents", "updates", "deletes"}
SHOWN_ITEMS = 3
END_OF_ID = 6


class CommandsSent(CommandListener):
    """Adds each command that a client sends to a trace, as one statement.

    Args:
        trace: Where the commands go; they come from the driver's threads.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._texts: dict[int, str] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Remember what was sent; the driver uses its documents again."""
        if event.command_name not in NOT_COUNTED:
            self._texts[event.request_id] = command_line(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Trace a command that was answered; of what it could not write, the first reason."""
        refused = event.reply.get("writeErrors") or [{}]
        self._add(event.request_id, event.duration_micros, refused[0].get("errmsg"))

    def failed(self, event: CommandFailedEvent) -> None:
        """Trace a command that was refused, with the server's reason."""
        self._add(event.request_id, event.duration_micros, str(event.failure.get("errmsg", event.failure)))

    def _add(self, request_id: int, microseconds: int, error: str | None) -> None:
        text = self._texts.pop(request_id, None)
        if text is not None:
            self._trace.events.append(TracedEvent("SQL", text, None, microseconds / 1000, error=error))


def command_line(command: Mapping[str, Any]) -> str:
    """Say a command in one line: its name, its collection, and what else was sent; no password is shown."""
    (name, target), *rest = command.items()
    parts = [_part(key, value) for key, value in rest if key not in UNSAID and not key.startswith("$")]
    return " ".join([name, str(target), *parts])


def _part(key: str, value: Any) -> str:
    if key in PAYLOADS:
        return _shown(value[0] if len(value) == 1 else value)
    return f"{key}={_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = (f"{key}: {'***' if _is_secret(key) else _shown(part)}" for key, part in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        more = [f"… {len(value) - SHOWN_ITEMS} more"] if len(value) > SHOWN_ITEMS else []
        return "[" + ", ".join([*map(_shown, value[:SHOWN_ITEMS]), *more]) + "]"
    if isinstance(value, ObjectId):
        return f"…{str(value)[-END_OF_ID:]}"
    return str(value) if isinstance(value, Decimal128) else repr(value)


def _is_secret(key: object) -> bool:
    return "password" in str(key).lower()
