"""Run by a test in a process of its own: uses a bus, says how far it is, and waits to be killed."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from bus_trials import messages
from faststream.nats.message import NatsMessage
from faststream.rabbit.message import RabbitMessage

from lab_support.messaging import EmbeddedBus, Event, open_bus


async def main(url: str, folder: str, topic: str, moment: str) -> None:
    async def stop(*_: object, **__: object) -> None:
        print(moment, flush=True)
        await asyncio.Event().wait()

    async def handle(_event: Event) -> None:
        if moment == "in the handler":
            await stop()

    async with open_bus(url or None, Path(folder)) as bus:
        if moment == "published":
            await bus.publish(messages(topic, 1, 2))
            await stop()
        if moment == "before the acknowledgement":
            acknowledge_never(bus, stop)
        bus.subscribe(topic, "stock", handle)
        async with bus.running():
            await asyncio.Event().wait()


def acknowledge_never(bus: Any, stop: Any) -> None:
    if isinstance(bus, EmbeddedBus):
        bus.log.settle = stop  # type: ignore[method-assign]
    NatsMessage.ack = RabbitMessage.ack = stop  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
