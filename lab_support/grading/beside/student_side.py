"""The judge's way to a student's code that lives in another process.

Whatever that process sends is an answer and never a verdict; its form is looked at before anything reads it.

Section:
    All sections; class grading.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from lab_support.database.trace_events import TracedEvent
from lab_support.exercises.fresh_process import FreshProcessError
from lab_support.exercises.model import Exercise
from lab_support.exercises.own_loop import TimeIsUp
from lab_support.exercises.rival import Meeting
from lab_support.exercises.sides import Place
from lab_support.exercises.story import Answer
from lab_support.grading.beside.json_lines import JsonLines, LinkError

Fresh = Callable[[], AbstractAsyncContextManager[JsonLines]]
ENDED: Final = "The process that ran your code ended before the code did."
_ANSWER: Final = TypeAdapter(Answer)
_EVENTS: Final = TypeAdapter(tuple[TracedEvent, ...])


@dataclass(slots=True)
class StudentSide:
    """The student's objects in another process, over a link to it.

    Attributes:
        link: To the process that has run the student's cells up to this exercise.
        fresh: Gives a link to one more process that has run the same cells.
        kill: Ends the process, because the time is up.
    """

    exercise: Exercise
    link: JsonLines
    fresh: Fresh
    kill: Callable[[], None]
    _has_begun: bool = False

    @asynccontextmanager
    async def opened(self, place: Place) -> AsyncIterator[DistantChannel]:
        """Have an attempt opened over there, and closed again; all scenarios of a check share one loop there."""
        if not self._has_begun:
            await _begin_check(self.link, self.exercise)
            self._has_begun = True
        await _open(self.link, self.exercise, place)
        yield DistantChannel(self, place)
        with suppress(FreshProcessError):  # whoever asks next is told
            await _told(self.link, {"do": "close"})

    async def end(self) -> None:
        """Have the loop of the check closed over there.

        Raises:
            FreshProcessError: The process has ended.
        """
        if self._has_begun:
            await _told(self.link, {"do": "end"})

    def cut(self) -> None:
        """Kill the process."""
        self.kill()


@dataclass(slots=True)
class DistantChannel:
    """Has acts performed in the other process; a rival comes in on this side."""

    side: StudentSide
    place: Place

    async def call(
        self,
        act: str,
        inputs: Mapping[str, Any],
        *,
        fresh_process: bool = False,
        meeting: Meeting | None = None,
    ) -> Answer:
        """Have an act performed.

        Raises:
            FreshProcessError: The process ended, or its answer is none.
            TimeIsUp: The student's code ran past the limit and was stopped over there.
        """
        asked = {"do": "call", "act": act, "inputs": dict(inputs), "rival": meeting and meeting.before}
        if not fresh_process:
            return await _answer(self.side.link, asked, meeting)
        async with self.side.fresh() as link:
            await _begin_check(link, self.side.exercise)
            await _open(link, self.side.exercise, self.place)
            return await _answer(link, asked, meeting)


async def _begin_check(link: JsonLines, exercise: Exercise) -> None:
    await _told(link, {"do": "check", "limit_s": exercise.limit_s})


async def _open(link: JsonLines, exercise: Exercise, place: Place) -> None:
    await _told(link, {"do": "open", "exercise": exercise.id, "place": asdict(place)})


async def _told(link: JsonLines, line: Mapping[str, Any]) -> dict[str, Any]:
    try:
        await link.send(line)
        return await link.receive()
    except LinkError as error:
        raise FreshProcessError(ENDED) from error


async def _answer(link: JsonLines, asked: Mapping[str, Any], meeting: Meeting | None) -> Answer:
    came = await _told(link, asked)
    if meeting is not None and came.get("is") == "rival":
        await meeting.come()
        came = await _told(link, {"do": "go on"})
    if came.get("is") == "time up":
        raise TimeIsUp
    try:
        answer = _ANSWER.validate_python(came.get("answer"))
        _EVENTS.validate_python(answer.events)
    except ValidationError as error:
        raise FreshProcessError("The process that ran your code gave an answer that is none.") from error
    return answer
