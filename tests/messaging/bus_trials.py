"""What tests of any bus use: numbered messages and a handler that keeps their numbers."""

import asyncio

from messaging_tables import counted

from lab_support.messaging import Event, Message


def messages(topic: str, *numbers: int) -> list[Message]:
    return [Message(topic, counted("7", n)) for n in numbers]


def number_of(event: Event) -> int:
    return int(str(event.payload["n"]))


class Collector:
    """A handler that keeps the numbers it got, and raises on some."""

    def __init__(self, *, raises_on: tuple[int, ...] = ()) -> None:
        self.got: list[int] = []
        self.raises_on = raises_on
        self._came = asyncio.Condition()

    async def __call__(self, event: Event) -> None:
        number = number_of(event)
        self.got.append(number)
        async with self._came:
            self._came.notify_all()
        if number in self.raises_on:
            raise LookupError(f"no product {number}")

    async def until(self, number: int) -> list[int]:
        """Wait until a number has come, and return the distinct ones in the order of their first arrival."""
        async with self._came:
            await self._came.wait_for(lambda: number in self.got)
        return list(dict.fromkeys(self.got))
