"""The server's log, kept in memory: what validators with the action `warn` let pass, and internal errors.

Section:
    13.8, "Rules for a collection that is full"
"""

from __future__ import annotations

import itertools
from collections import deque
from datetime import UTC, datetime
from typing import Any

from bson import json_util

_KEPT = 1024


class ServerLog:
    """The newest lines, each a JSON document as MongoDB writes them."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT)
        self._thread = itertools.count(1)

    def warn(self, component: str, number: int, message: str, attributes: dict[str, Any]) -> None:
        """Write a warning.

        Args:
            component: The part of the server, such as STORAGE.
            number: MongoDB's number of the message; 20294 is a document that fails validation.
            message: The sentence.
            attributes: What it is about.
        """
        self._lines.append(
            json_util.dumps(
                {
                    "t": {"$date": datetime.now(UTC).isoformat(timespec="milliseconds")},
                    "s": "W",
                    "c": component,
                    "id": number,
                    "ctx": "embedded",
                    "msg": message,
                    "attr": attributes,
                }
            )
        )

    def lines(self) -> list[str]:
        """Give the lines, oldest first."""
        return list(self._lines)
