"""Run by a test in a process of its own: a relay that says how far it is, and waits to be killed."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from messaging_tables import OutboxMessage

from lab_support.database import build_engine, session_factory
from lab_support.messaging import EmbeddedBus, Message, Relay


class DyingBus(EmbeddedBus):
    """Stops before or after the confirmation."""

    moment = ""

    async def publish(self, batch: Sequence[Message]) -> None:
        if self.moment == "published":
            await super().publish(batch)
        print(self.moment, flush=True)
        await asyncio.Event().wait()


async def main(url: str, path: str, moment: str) -> None:
    async with DyingBus(Path(path)) as bus:
        bus.moment = moment
        await Relay(session_factory(build_engine(url)), OutboxMessage, bus).drain()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
