"""What streams and subjects of the bus on NATS are called.

Section:
    13.5, "The same saga over a real broker"
"""

from __future__ import annotations

from lab_support.messaging.broker_bus import token


def stream_of(topic: str) -> str:
    """Name the stream of a topic."""
    return f"lab-{token(topic)}"


def dead_stream_of(topic: str) -> str:
    """Name the stream of a topic's dead letters."""
    return f"lab-dead-{token(topic)}"


def address_of(group: str) -> str:
    """Name the last part of a subject that one group alone listens to."""
    return f"to.{token(group)}"


def subject_of(topic: str, to: str) -> str:
    """Name the subject of what is published under a topic."""
    return f"lab.{token(topic)}.{to}"


def dead_subject_of(topic: str, group: str) -> str:
    """Name the subject of a group's dead letters."""
    return f"lab-dead.{token(topic)}.{group if group == '>' else token(group)}"
