"""Judge a student's objects: tell every scenario on fresh databases, and say what was found.

Section:
    All sections.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.exc import SQLAlchemyError

from lab_support.database import EmbeddedPostgres, build_engine, scratch_database
from lab_support.exercises.attempt import OpenConnections
from lab_support.exercises.document_store import fresh_documents, refusals
from lab_support.exercises.fresh_process import FreshProcessError
from lab_support.exercises.model import Exercise, Scenario, Seen
from lab_support.exercises.output import captured_output
from lab_support.exercises.own_loop import LoopStoppedError, TimeIsUp, run_on_own_loop
from lab_support.exercises.sides import InProcessSide, Place, Side
from lab_support.exercises.story import Story, StudentCodeRaised, Unmet
from lab_support.exercises.student_code import one_line, student_frame
from lab_support.exercises.verdict import CaseResult, Cost, LikelyCause, State, Verdict
from lab_support.settings import get_settings
from lab_support.student_frames import StudentFrame

MALFORMED = (LookupError, TypeError, ValueError, AttributeError)
"""What a story runs into when it reads an answer of an unexpected form."""

FIRST_SEED = 1301
"""The seed that comes first wherever a check runs; every stored wrong answer is caught under it."""


@dataclass(slots=True)
class _Run:
    """What one check has found so far; it outlives the loop that found it."""

    exercise: Exercise
    side: Side
    folder: Path
    seed: int
    cases: list[CaseResult] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    story: Story | None = None
    scenario: Scenario | None = None
    cuts: list[Callable[[], None]] = field(default_factory=list)

    def cut(self) -> None:
        for cut in self.cuts:
            cut()


def judge(
    exercise: Exercise,
    objects: Mapping[str, object],
    *,
    seed: int = FIRST_SEED,
    told: Callable[[CaseResult], None] | None = None,
) -> Verdict:
    """Judge the objects of one exercise.

    Args:
        exercise: What was asked.
        objects: The student's objects by the names in `exercise.student_writes`.
        seed: Fixes ids, amounts and order of everything the judge draws.
        told: Called after each case.

    Returns:
        The verdict. Whatever the student's code does, it becomes a verdict and never an exception.
    """
    began = time.perf_counter()
    missing = [name for name in exercise.student_writes if objects.get(name, ...) is ...]
    if missing:
        return Verdict(exercise.id, exercise.title, (_not_attempted(exercise, missing[0]),))
    with run_folder() as folder, captured_output() as output:
        run = _told(_Run(exercise, InProcessSide(exercise, objects, folder), folder, seed), told)
    return _verdict(run, output.text, (time.perf_counter() - began) * 1000)


def judge_on(
    side: Side,
    exercise: Exercise,
    folder: Path,
    *,
    seed: int = FIRST_SEED,
    told: Callable[[CaseResult], None] | None = None,
) -> Verdict:
    """Judge what a student has written where it lives, which may be another process.

    Args:
        side: Where it lives; every object of `exercise.student_writes` is there.
        exercise: What was asked.
        folder: Where fresh files go, in reach of both sides; the caller removes it.
        seed: Fixes ids, amounts and order of everything the judge draws.
        told: Called after each case.

    Returns:
        The verdict, as `judge` gives it; what the student's code prints is not the judge's to see.
    """
    began = time.perf_counter()
    run = _told(_Run(exercise, side, folder, seed), told)
    return _verdict(run, "", (time.perf_counter() - began) * 1000)


def _told(run: _Run, told: Callable[[CaseResult], None] | None) -> _Run:
    with OpenConnections() as connections:
        run.cuts += [connections.cut, run.side.cut]
        _tell_all(run, told)
    return run


def _tell_all(run: _Run, told: Callable[[CaseResult], None] | None) -> None:
    try:
        run_on_own_loop(_scenarios(run, told), limit_s=run.exercise.limit_s, cut=run.cut)
    except TimeIsUp as time_is_up:
        limit = f"Your code was still running after {run.exercise.limit_s:g} s and was stopped."
        run.cases.append(_case(run, State.TIMED_OUT, limit, frame=student_frame(time_is_up)))
    except LoopStoppedError as stopped:
        run.cases.append(_case(run, State.ERROR, str(stopped)))
    except (SystemExit, KeyboardInterrupt) as ended:
        if isinstance(ended, KeyboardInterrupt) and run.story is None:
            raise
        run.cases.append(
            _case(run, State.ERROR, f"Your code raised {type(ended).__name__} and ended the check.")
        )


async def _scenarios(run: _Run, told: Callable[[CaseResult], None] | None) -> None:
    for scenario in run.exercise.scenarios:
        case = await _tell(run, scenario)
        run.cases.append(case)
        if told is not None:
            told(case)
        if case.state is State.NOT_ATTEMPTED:
            return


async def _tell(run: _Run, scenario: Scenario) -> CaseResult:
    run.scenario, run.story = scenario, None
    async with AsyncExitStack() as opened:
        documents = opened.enter_context(fresh_documents()) if scenario.on == "mongodb" else None
        url = await opened.enter_async_context(scratch_database(_backend_of(scenario), run.folder))
        judges_engine = build_engine(url)
        opened.push_async_callback(judges_engine.dispose)
        place = Place(url, scenario.load, *((documents.url, documents.socket_url) if documents else ()))
        try:
            channel = await opened.enter_async_context(run.side.opened(place))
        except FreshProcessError as gone:
            return _case(run, State.ERROR, str(gone))
        seeded = random.Random(f"{run.seed}/{run.exercise.id}/{scenario.title}")  # noqa: S311
        run.story = Story(
            judges_engine, channel, seeded, run.seen, store=documents.database if documents else None
        )
        try:
            await scenario.tell(run.story)
        except Unmet as unmet:
            return _unmet(run, unmet)
        except StudentCodeRaised as raised:
            error = raised.error
            if error.not_attempted:
                return _not_attempted(run.exercise, _blank_name(run.exercise, error.frame))
            return _case(run, State.ERROR, error.text, frame=error.frame)
        except FreshProcessError as error:
            return _case(run, State.ERROR, str(error))
        except SQLAlchemyError as refused:
            return _case(
                run, State.FAILED, f"Your tables do not take what the shop does: {one_line(refused)}"
            )
        except refusals() as refused:
            return _case(
                run, State.FAILED, f"Your collection does not take what the shop does: {one_line(refused)}"
            )
        except MALFORMED as error:
            return _case(
                run, State.FAILED, f"The answer does not have the form that was asked for ({error!r})."
            )
        return _case(run, State.PASSED, "")
    raise AssertionError("unreachable: the stack swallows nothing")


def _case(run: _Run, state: State, message: str, **shown: Any) -> CaseResult:
    """Describe the scenario being told, as far as it came."""
    scenario, story = run.scenario, run.story
    if scenario is None or story is None:
        title = scenario.title if scenario else run.exercise.title
        return CaseResult(title, state, message=message)
    timeline = tuple(event for answer in story.answers for event in answer.events)
    engine = story.dialect if story.dialect == scenario.on else f"{story.dialect}, for want of {scenario.on}"
    cost = sum((answer.cost for answer in story.answers), Cost())
    found = CaseResult(
        scenario.title, state, scenario.points, message, engine=engine, cost=cost, timeline=timeline
    )
    return found if state is State.PASSED else replace(found, call=story.last_call, **shown)


def _blank_name(exercise: Exercise, frame: StudentFrame | None) -> str:
    """Name what is still the starter's: the function that raised, or the first object that was asked for."""
    if frame is None or not frame.function or frame.function.startswith("_"):
        return exercise.student_writes[0]
    return frame.function


def _unmet(run: _Run, unmet: Unmet) -> CaseResult:
    """Describe an expectation that does not hold, and the error behind it if the application raised one."""
    behind = run.story.answers[-1].unhandled if run.story and run.story.answers else None
    message = f"{unmet.message} Behind it: {behind.text}" if behind else unmet.message
    frame = behind.frame if behind else None
    return _case(run, State.FAILED, message, expected=unmet.expected, observed=unmet.observed, frame=frame)


def _not_attempted(exercise: Exercise, name: str) -> CaseResult:
    return CaseResult(
        exercise.title,
        State.NOT_ATTEMPTED,
        message=f"Exercise {exercise.id} is not attempted yet: `{name}` is still the starter's.",
    )


def _verdict(run: _Run, printed: str, ms: float) -> Verdict:
    done, cases = run.exercise, tuple(run.cases)
    verdict = Verdict(
        done.id, done.title, cases, not_run=len(done.scenarios) - len(cases), printed=printed, ms=ms
    )
    if verdict.passed or verdict.state is State.NOT_ATTEMPTED:
        return verdict
    return replace(
        verdict, causes=tuple(LikelyCause(known.name, known.reply) for known in done.causes(run.seen))
    )


def _backend_of(scenario: Scenario) -> Literal["sqlite", "postgresql"]:
    """Choose the relational engine; beside documents it is SQLite, on which nothing happens."""
    return "postgresql" if scenario.on == "postgresql" and _postgres_can_run() else "sqlite"


def _postgres_can_run() -> bool:
    return get_settings().postgres_url is not None or EmbeddedPostgres.available()


@contextmanager
def run_folder() -> Iterator[Path]:
    """Yield a private folder for one check, deleted afterwards even where a straggler still holds a file."""
    folder = Path(tempfile.mkdtemp(prefix="lab-check-"))
    try:
        yield folder
    finally:
        with suppress(OSError):
            shutil.rmtree(folder, ignore_errors=True)
