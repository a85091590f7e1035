"""What a run of a notebook says about each exercise, as data.

Section:
    All sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lab_support.exercises import CaseResult, Cost, Exercise, State, Verdict
from lab_support.exercises.verdict import LikelyCause
from lab_support.student_frames import StudentFrame

MISSING = "check cell missing"
NOT_RUN = "check did not run"


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """The outcome of one exercise in one notebook.

    Attributes:
        state: A value of `State`, or `check cell missing`, or `check did not run`.
        message: One line for everything but a pass.
        verdict: `Verdict.as_dict()` as the check recorded it; None where no check ran.
    """

    exercise: str
    title: str
    state: str
    message: str = ""
    verdict: Mapping[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether the check ran and passed."""
        return self.state == State.PASSED.value

    def rebuilt_verdict(self) -> Verdict | None:
        """Return the verdict as the judge made it, for a card; None where no check ran."""
        if self.verdict is None:
            return None
        told = dict(self.verdict)
        cases = tuple(_case(case) for case in told["cases"])
        causes = tuple(LikelyCause(**cause) for cause in told["causes"])
        rest = {name: told[name] for name in ("exercise", "title", "not_run", "printed", "ms")}
        return Verdict(**rest, cases=cases, causes=causes)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able data."""
        return asdict(self)


def record_of_check(exercise: Exercise, verdict: Mapping[str, Any]) -> VerdictRecord:
    """Turn a line of the ledger into a record."""
    state = str(verdict.get("state"))
    cases = verdict.get("cases") or ()
    decisive: Mapping[str, Any] = next((case for case in cases if case.get("state") == state), {})
    message = (
        "" if state == State.PASSED.value else str(decisive.get("message") or decisive.get("title") or state)
    )
    return VerdictRecord(exercise.id, exercise.title, state, message, verdict)


def record_without_check_cell(exercise: Exercise) -> VerdictRecord:
    """Say that the cell which checks is gone."""
    advice = f"Put it back with `lab reset {exercise.id}`; a copy of the notebook is kept."
    message = f"The notebook has no cell {exercise.id.replace('.', '-')}-check. {advice}"
    return VerdictRecord(exercise.id, exercise.title, MISSING, message)


def record_of_silent_check(exercise: Exercise) -> VerdictRecord:
    """Say that the check cell ran, and no check did."""
    message = (
        "The check cell ran without a check: it was changed, or `check` was redefined. "
        f"Put it back with `lab reset {exercise.id}` and leave the name `check` alone."
    )
    return VerdictRecord(exercise.id, exercise.title, NOT_RUN, message)


def record_of_error(exercise: Exercise, message: str, state: State = State.ERROR) -> VerdictRecord:
    """Say that the student's code failed before the check could judge it."""
    return VerdictRecord(exercise.id, exercise.title, state.value, message)


def _case(told: Mapping[str, Any]) -> CaseResult:
    frame = StudentFrame(**told["frame"]) if told["frame"] else None
    parts = {"state": State(told["state"]), "frame": frame, "cost": Cost(**told["cost"])}
    return CaseResult(**{**told, **parts, "timeline": tuple(told["timeline"])})
