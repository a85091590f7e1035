"""What streams and subjects of the bus on NATS are called.

Section:
    13.5, "The same saga over a real broker"
"""

from __future__ import annotations

from dataclasses import dataclass

from lab_support.messaging.broker_bus import token


def address_of(group: str) -> str:
    """Name the last part of a subject that one group alone listens to."""
    return f"to.{token(group)}"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one shop; another one on the same server has another namespace."""

    namespace: str

    def stream_of(self, topic: str) -> str:
        """Name the stream of a topic."""
        return f"{self.namespace}-{token(topic)}"

    def dead_stream_of(self, topic: str) -> str:
        """Name the stream of a topic's dead letters."""
        return f"{self.namespace}-dead-{token(topic)}"

    def subject_of(self, topic: str, to: str) -> str:
        """Name the subject of what is published under a topic."""
        return f"{self.namespace}.{token(topic)}.{to}"

    def dead_subject_of(self, topic: str, group: str) -> str:
        """Name the subject of a group's dead letters."""
        return f"{self.namespace}-dead.{token(topic)}.{group if group == '>' else token(group)}"
