"""Where a student's objects live while a scenario is told: beside the judge, or in a process of their own.

The judge seeds, asks and reads in the same way on every side (docs/decisions/0005), so a verdict does not depend on it.

Section:
    All sections.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab_support.exercises.attempt import attempt_on
from lab_support.exercises.channel import InProcessChannel
from lab_support.exercises.model import Exercise, Load
from lab_support.exercises.story import Channel


@dataclass(frozen=True, slots=True)
class Place:
    """What one scenario runs on.

    Attributes:
        url: The relational database, fresh.
        load: What the scenario needs of the student's engine.
        documents_url: The database of documents, where the scenario wants one.
        documents_socket_url: The same, for a process that reaches no network.
    """

    url: str
    load: Load
    documents_url: str | None = None
    documents_socket_url: str | None = None


class Side(Protocol):
    """The side on which the student's code runs."""

    def opened(self, place: Place) -> AbstractAsyncContextManager[Channel]:
        """Give a way to the student's objects, ready to work on this place."""
        ...

    def cut(self) -> None:
        """End whatever still runs there, because the time is up."""
        ...


@dataclass(slots=True)
class InProcessSide:
    """The student's objects in this very process: the side of a notebook.

    Attributes:
        objects: By the names in `exercise.student_writes`.
        folder: The private folder of the check.
    """

    exercise: Exercise
    objects: Mapping[str, object]
    folder: Path
    cuts: list[Callable[[], None]] = field(default_factory=list)

    @asynccontextmanager
    async def opened(self, place: Place) -> AsyncIterator[InProcessChannel]:
        """Open an attempt on this loop."""
        async with attempt_on(place.url, self.objects, place.load, place.documents_url) as attempt:
            channel = InProcessChannel(
                self.exercise, attempt, self.objects, place.url, self.folder, place.load
            )
            self.cuts.append(channel.cut)
            yield channel

    def cut(self) -> None:
        """Kill the fresh processes that still run."""
        for cut in self.cuts:
            cut()
