"""The bus of an application, by its URL: embedded without one.

Section:
    13.5, "The same saga over a real broker"
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from lab_support.database.urls import masked
from lab_support.messaging.broker_bus import NAMESPACE
from lab_support.messaging.bus import Bus
from lab_support.messaging.embedded_bus import EmbeddedBus

_BROKERS = {"amqp": "aio_pika", "amqps": "aio_pika", "nats": "nats", "tls": "nats"}
_EXAMPLES = "amqp://user:password@host:5672, nats://host:4222"


class BusUrlError(ValueError):
    """A URL that names no bus; its text masks every secret."""


def open_bus(url: str | None, folder: Path, *, namespace: str = NAMESPACE) -> Bus:
    """Make the bus of a URL; nothing connects before `async with`.

    Args:
        url: amqp:// for RabbitMQ, nats:// for NATS JetStream; None for the embedded bus.
        folder: Where the embedded bus has its file, bus.db.
        namespace: Begins all names on a broker; shops with different ones do not hear each other.

    Raises:
        BusUrlError: The URL names no broker known here, or its client is not installed.

    Section:
        13.5, "The same saga over a real broker"
    """
    if url is None:
        return EmbeddedBus(folder / "bus.db")
    scheme = url.partition("://")[0].lower()
    if scheme not in _BROKERS or "://" not in url:
        raise BusUrlError(
            f"{masked(url)!r} names no bus known here. Use one of: {_EXAMPLES}; or none at all."
        )
    if not all(map(importlib.util.find_spec, ("faststream", _BROKERS[scheme]))):
        raise BusUrlError(
            f"{masked(url)} needs FastStream, which is not installed. "
            'Run, in the workbook\'s folder: pip install -c constraints.txt -e ".[brokers]"'
        )
    if scheme in ("nats", "tls"):
        from lab_support.messaging.nats_bus import NatsBus

        return NatsBus(url, namespace=namespace)
    from lab_support.messaging.rabbit_bus import RabbitBus

    return RabbitBus(url, namespace=namespace)
