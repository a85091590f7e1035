"""The embedded bus keeps the contract of every bus."""

import asyncio
import sqlite3
from pathlib import Path

from bus_contract import BusContract

from lab_support.messaging import EmbeddedBus


class TestEmbeddedBus(BusContract):
    def a_bus(self, folder: Path) -> EmbeddedBus:
        return EmbeddedBus(folder / "bus.db")

    async def publish_raw(self, folder: Path, topic: str, body: bytes) -> None:
        await asyncio.to_thread(self._insert, folder, topic, body)

    def _insert(self, folder: Path, topic: str, body: bytes) -> None:
        with sqlite3.connect(folder / "bus.db") as raw:
            raw.execute(
                "INSERT INTO log SELECT topic, max(position) + 1, ? FROM log WHERE topic = ?",
                (body.decode(), topic),
            )
        raw.close()
