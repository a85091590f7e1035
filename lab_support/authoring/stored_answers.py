"""Wrong and right answers kept as code: each trap is caught for its own reason, and each variant passes.

Section:
    All sections; `tests/exercises/` and `lab build --check` share it.
"""

from __future__ import annotations

import gc
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab_support.authoring.findings import Finding
from lab_support.exercises import Exercise, State, Verdict, find, judge
from lab_support.exercises.registry import STEMS

Kind = Literal["trap", "right", "nothing"]
FOLDER = Path("tests") / "misconceptions"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer to one exercise that is not a student's.

    Attributes:
        kind: `trap` (wrong, for one known reason), `right` (a correct variant) or `nothing`.
        name: The misconception's or the variant's name, with hyphens.
        path: Its file; None for `nothing`.
    """

    exercise: str
    kind: Kind
    name: str
    path: Path | None = None

    def __str__(self) -> str:
        """Return a short name, as for a test."""
        return f"{self.exercise}-{self.kind}" + ("" if self.kind == "nothing" else f"-{self.name}")


def stored_answers(root: Path, exercise: Exercise) -> list[StoredAnswer]:
    """Return the traps and variants kept for an exercise, in order of their files' names."""
    folder = root / FOLDER / STEMS[exercise.section] / exercise.id.replace(".", "_")
    return [
        _named(exercise, path)
        for path in sorted(folder.glob("*_*.py"))
        if path.name.startswith(("trap_", "right_"))
    ]


def every_answer(root: Path, exercises: tuple[Exercise, ...]) -> list[StoredAnswer]:
    """Return every answer that the exercises must tell apart, doing nothing included."""
    return [
        answer
        for exercise in exercises
        for answer in (*stored_answers(root, exercise), StoredAnswer(exercise.id, "nothing", "does-nothing"))
    ]


def judge_answer(answer: StoredAnswer) -> Verdict:
    """Judge a stored answer as a student's would be judged.

    Raises:
        Exception: Whatever the answer's own file raises when it is executed.
    """
    exercise = find(answer.exercise)
    with _as_main() as namespace:
        if answer.path is None:
            objects = _objects_that_do_nothing(exercise)
        else:
            source = answer.path.read_text("utf-8")
            exec(compile(source, str(answer.path), "exec", dont_inherit=True), namespace)  # noqa: S102 - our own stored code
            objects = {name: namespace[name] for name in exercise.student_writes}
        with _untidy(answer):
            return judge(exercise, objects)


def finding_about(answer: StoredAnswer) -> Finding | None:
    """Judge an answer; return what is wrong with the exercise's treatment of it, or None."""
    try:
        verdict = judge_answer(answer)
    except KeyError as error:
        return Finding(
            str(answer), f"{_where(answer)} does not define {error}", "Define every name of student_writes."
        )
    except Exception as error:
        problem = f"{_where(answer)} cannot be executed: {type(error).__name__}: {error}"
        return Finding(str(answer), problem, "It has to define its names without an error.")
    if answer.kind == "right":
        return _about_right(answer, verdict)
    return _about_nothing(answer, verdict) if answer.kind == "nothing" else _about_trap(answer, verdict)


def _about_right(answer: StoredAnswer, verdict: Verdict) -> Finding | None:
    if verdict.passed:
        return None
    problem = f"the right answer {_where(answer)} is {verdict.state}: {_why(verdict)}"
    return Finding(str(answer), problem, "Mend the scenario: it forbids more than the task does.")


def _about_nothing(answer: StoredAnswer, verdict: Verdict) -> Finding | None:
    if not verdict.passed:
        return None
    return Finding(
        str(answer), "code that does nothing passes", "Add a calm scenario that something must be done in."
    )


def _about_trap(answer: StoredAnswer, verdict: Verdict) -> Finding | None:
    if verdict.passed:
        return Finding(str(answer), f"the trap {_where(answer)} passes", "Add a scenario that catches it.")
    if verdict.state is State.NOT_ATTEMPTED:
        return Finding(
            str(answer), f"the trap {_where(answer)} counts as not attempted", "Let it do the wrong thing."
        )
    causes = [cause.name for cause in verdict.causes]
    if causes == [answer.name]:
        return None
    explained = ", ".join(causes) or "nothing"
    problem = f"the trap is explained by {explained}, not by {answer.name} alone ({_why(verdict)})"
    return Finding(str(answer), problem, "Make the misconceptions' predicates tell them apart.")


def _why(verdict: Verdict) -> str:
    case = verdict.decisive
    return f"{case.title}: {case.message} {case.observed}".strip() if case else "no case"


def _where(answer: StoredAnswer) -> str:
    return answer.path.name if answer.path else "code that does nothing"


def _named(exercise: Exercise, path: Path) -> StoredAnswer:
    kind, _, name = path.stem.partition("_")
    name = name.partition("__")[0].replace("_", "-")
    return StoredAnswer(exercise.id, "trap" if kind == "trap" else "right", name, path)


def _objects_that_do_nothing(exercise: Exercise) -> Mapping[str, object]:
    async def nothing(*_: object, **__: object) -> None:
        return None

    return {name: type(name, (), {}) if name[:1].isupper() else nothing for name in exercise.student_writes}


@contextmanager
def _untidy(answer: StoredAnswer) -> Iterator[None]:
    """Let wrong code leave coroutines behind that nobody awaits, without a warning later, at another's cost."""
    with warnings.catch_warnings():
        if answer.kind != "right":
            warnings.simplefilter("ignore", RuntimeWarning)
        yield
        if answer.kind != "right":
            gc.collect()


@contextmanager
def _as_main() -> Iterator[dict[str, Any]]:
    """Yield the names of a module that is `__main__` while the block runs, as a notebook's is."""
    module, before = types.ModuleType("__main__"), sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        yield module.__dict__
    finally:
        sys.modules["__main__"] = before
