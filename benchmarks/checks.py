"""What the engine of exercises costs beside the scenarios it runs."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.ratios import Ratio, ratio
from lab_support.database import build_engine, scratch_database
from lab_support.exercises import Exercise, judge, load_all
from lab_support.exercises.attempt import Attempt, engine_under
from lab_support.exercises.channel import InProcessChannel, describe_error
from lab_support.exercises.registry import STEMS
from lab_support.exercises.rival import Meeting, interrupted
from lab_support.exercises.story import Answer, Story
from lab_support.settings import workbook_root


class _BareAttempt(Attempt):
    """The student's side without instruments."""

    class _Nothing:
        events: tuple[Any, ...] = ()

    def __init__(self, objects: Mapping[str, object], engine: Any) -> None:
        super().__init__(objects, engine, self._Nothing())  # type: ignore[arg-type]


class _BareChannel(InProcessChannel):
    """Calls an act as it is: no measuring, no JSON; fresh processes stay, for they are the scenario."""

    async def call(
        self,
        act: str,
        inputs: Mapping[str, Any],
        *,
        fresh_process: bool = False,
        meeting: Meeting | None = None,
    ) -> Answer:
        if fresh_process:
            return await super().call(act, inputs, fresh_process=True, meeting=meeting)
        value, error = None, None
        with interrupted(self._attempt.engine, meeting):
            try:
                value = await self._exercise.acts[act](self._attempt, **inputs)
            except Exception as raised:  # an answer too, where a story allows for it
                error = describe_error(raised)
        checked_out = self._attempt.checked_out
        return Answer(value, error, checked_out=checked_out)


async def _scenarios_alone(exercise: Exercise, objects: Mapping[str, object]) -> None:
    """Tell the scenarios on fresh databases with nothing of the engine around them."""
    with tempfile.TemporaryDirectory() as folder:
        for scenario in exercise.scenarios:
            async with scratch_database(scenario.on, Path(folder)) as url:
                judges, students = build_engine(url), engine_under(scenario.load, url)
                try:
                    attempt = _BareAttempt(objects, students)
                    channel = _BareChannel(exercise, attempt, objects, url, Path(folder))
                    await scenario.tell(Story(judges, channel, random.Random(1)))
                finally:
                    await judges.dispose()
                    await students.dispose()


def overheads(pairs: int = 7) -> list[Ratio]:
    """Compare each reference solution's check with its scenarios alone; 1.0 means the engine costs nothing."""
    return [_overhead(exercise, pairs) for exercise in load_all()]


def _overhead(exercise: Exercise, pairs: int) -> Ratio:
    objects = _reference(exercise)
    found = []
    for number in range(pairs + 1):
        began = time.perf_counter()
        verdict = judge(exercise, objects)
        middle = time.perf_counter()
        asyncio.run(_scenarios_alone(exercise, objects))
        alone = time.perf_counter() - middle
        if not verdict.passed:
            raise SystemExit(f"{exercise.id}: the reference did not pass, so its time means nothing.")
        if number:
            found.append((middle - began) / alone)
    return ratio(f"check {exercise.id} : its scenarios alone", found, 1.5)


def _reference(exercise: Exercise) -> dict[str, object]:
    """Run an exercise's given and work cells from the solutions notebook and return its objects."""
    path = workbook_root() / "solutions" / f"{STEMS[exercise.section]}.ipynb"
    prefix, namespace = exercise.id.replace(".", "-"), {"__name__": "__main__"}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["id"] in (f"{prefix}-given", f"{prefix}-work"):
            code = compile("".join(cell["source"]), cell["id"], "exec", dont_inherit=True)
            exec(code, namespace)  # noqa: S102 - our own notebook
    return {name: namespace[name] for name in exercise.student_writes}
