"""Run by a test in a process of its own: reads from the bus, says how far it is, and waits to be killed."""

import asyncio
import sys
from pathlib import Path

from lab_support.messaging import EmbeddedBus, Event


async def main(path: str, moment: str) -> None:
    async def stop(*_: object, **__: object) -> None:
        print(moment, flush=True)
        await asyncio.Event().wait()

    async def handle(_event: Event) -> None:
        if moment == "in the handler":
            await stop()

    async with EmbeddedBus(Path(path)) as bus:
        if moment == "before the acknowledgement":
            bus.log.settle = stop  # type: ignore[method-assign]
        await bus.subscribe("order", "stock", handle).drain()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
