"""The child's end of the one socket: a JSON object a line, never a pickle.

Section:
    All sections.
"""

from __future__ import annotations

import json
import socket
from typing import Any


class Connection:
    """What an entry talks to the judge with."""

    def __init__(self, talk: socket.socket) -> None:
        self.talk = talk
        self._lines = talk.makefile("rb")

    def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        self.talk.sendall(json.dumps(message).encode() + b"\n")

    def send_bytes(self, text: bytes) -> None:
        """Send bytes as they are."""
        self.talk.sendall(text)

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; None when the judge is gone."""
        line = self._lines.readline()
        return dict(json.loads(line)) if line else None
