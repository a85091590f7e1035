"""How a question reaches the student's code and comes back as JSON: in this process, or in a fresh one.

Section:
    All sections; class grading adds a channel to a limited child process.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from lab_support.exercises.attempt import USUAL, Attempt
from lab_support.exercises.fresh_process import FreshProcess
from lab_support.exercises.model import Exercise, Load
from lab_support.exercises.own_loop import TimeIsUp
from lab_support.exercises.rival import Meeting, interrupted
from lab_support.exercises.story import Answer, StudentError
from lab_support.exercises.student_code import error_chain, means_not_attempted, one_line, student_frame
from lab_support.student_frames import StudentFrame


class InProcessChannel:
    """Performs acts on this very loop: the channel of a notebook."""

    def __init__(
        self,
        exercise: Exercise,
        attempt: Attempt,
        objects: Mapping[str, object],
        url: str,
        folder: Path,
        load: Load = USUAL,
    ) -> None:
        self._exercise, self._attempt, self._objects = exercise, attempt, objects
        self._url, self._folder, self._load = url, folder, load
        self._fresh: list[FreshProcess] = []

    async def call(
        self,
        act: str,
        inputs: Mapping[str, Any],
        *,
        fresh_process: bool = False,
        meeting: Meeting | None = None,
    ) -> Answer:
        """Perform an act; inputs and value pass through JSON, as they would between processes."""
        sent = json.loads(json.dumps(inputs))
        if not fresh_process:
            with interrupted(self._attempt.engine, meeting):
                return await perform(self._exercise.acts[act], self._attempt, sent)
        work = (self._exercise.id, act, self._objects, self._url, self._folder, self._load)
        with FreshProcess(*work, documents_url=self._attempt.documents_url) as process:
            self._fresh.append(process)
            return answer_from_json(await process.ask(sent, meeting))

    def cut(self) -> None:
        """Kill the fresh processes that still run."""
        for process in self._fresh:
            process.kill()


async def perform(act: Callable[..., Awaitable[Any]], attempt: Attempt, inputs: Mapping[str, Any]) -> Answer:
    """Run one act and measure it; an error of the student's code becomes part of the answer."""
    already, attempt.unhandled = len(attempt.trace.events), []
    began = time.perf_counter()
    value, error = None, None
    try:
        value = json.loads(json.dumps(await act(attempt, **inputs)))
    except (TimeIsUp, asyncio.CancelledError):
        raise
    except BaseException as raised:
        error = describe_error(raised)
    unhandled = describe_error(attempt.unhandled[-1]) if attempt.unhandled else None
    if error is None and any(means_not_attempted(one) for one in attempt.unhandled):
        error = unhandled
    ms = (time.perf_counter() - began) * 1000
    events = tuple(event.as_dict() for event in attempt.trace.events[already:])
    kinds = [event["kind"] for event in events]
    return Answer(
        value, error, unhandled, kinds.count("SQL"), kinds.count("COMMIT"), attempt.checked_out, ms, events
    )


def describe_error(raised: BaseException) -> StudentError:
    """Turn an error into data: its types, its text without SQL, and the student's line."""
    types = tuple(type(one).__name__ for one in error_chain(raised))
    return StudentError(types, one_line(raised), student_frame(raised), means_not_attempted(raised))


def answer_from_json(answer: Mapping[str, Any]) -> Answer:
    """Rebuild an answer that crossed a process border."""
    errors = {name: _error_from_json(answer[name]) for name in ("error", "unhandled")}
    return Answer(**{**answer, **errors, "events": tuple(answer["events"])})


def _error_from_json(error: Mapping[str, Any] | None) -> StudentError | None:
    if error is None:
        return None
    frame = StudentFrame(**error["frame"]) if error["frame"] else None
    return StudentError(tuple(error["types"]), error["text"], frame, error["not_attempted"])
