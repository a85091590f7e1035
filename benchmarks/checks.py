"""What the engine of exercises costs beside the scenarios it runs."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import event

from benchmarks.ratios import Ratio, ratio
from lab_support.database import build_engine, scratch_database
from lab_support.exercises import Exercise, judge, load_all
from lab_support.exercises.attempt import Attempt, engine_under
from lab_support.exercises.channel import InProcessChannel, describe_error
from lab_support.exercises.registry import STEMS
from lab_support.exercises.rival import Meeting, interrupted
from lab_support.exercises.story import Answer, Story, Unmet
from lab_support.settings import workbook_root


class _BareAttempt(Attempt):
    """The student's side without instruments, but for two numbers that stories ask for."""

    class _Nothing:
        events: tuple[Any, ...] = ()

    def __init__(self, objects: Mapping[str, object], engine: Any) -> None:
        super().__init__(objects, engine, self._Nothing())  # type: ignore[arg-type]
        self.counts = (0, 0)
        event.listen(engine.sync_engine, "after_cursor_execute", self._count_statement)
        event.listen(engine.sync_engine, "commit", self._count_commit)

    def _count_statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            self.counts = (self.counts[0] + 1, self.counts[1])

    def _count_commit(self, _connection: Any) -> None:
        self.counts = (self.counts[0], self.counts[1] + 1)


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
        statements, commits = self._attempt.counts
        with interrupted(self._attempt.engine, meeting):
            try:
                value = await self._exercise.acts[act](self._attempt, **inputs)
            except Exception as raised:  # an answer too, where a story allows for it
                error = describe_error(raised)
        now = self._attempt.counts
        return Answer(
            value,
            error,
            statements=now[0] - statements,
            commits=now[1] - commits,
            checked_out=self._attempt.checked_out,
        )


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
    found = [_overhead(exercise, pairs) for exercise in load_all()]
    return [one for one in found if one is not None]


def _overhead(exercise: Exercise, pairs: int) -> Ratio | None:
    objects = _reference(exercise)
    found = []
    for number in range(pairs + 1):
        began = time.perf_counter()
        verdict = judge(exercise, objects)
        middle = time.perf_counter()
        try:
            asyncio.run(_scenarios_alone(exercise, objects))
        except Unmet:
            print(f"{exercise.id}: not measured, its story needs the engine's instruments.", file=sys.stderr)
            return None
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
