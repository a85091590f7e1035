"""The outcome of a check, as data: it renders nothing and survives JSON.

Section:
    All sections; the same verdict serves a notebook, nbval, `lab check` and `lab grade`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from lab_support.student_frames import StudentFrame


class State(StrEnum):
    """What a check can say of a student's work."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error in your code"
    TIMED_OUT = "timed out"
    NOT_ATTEMPTED = "not attempted"


SEVERITY = (State.NOT_ATTEMPTED, State.TIMED_OUT, State.ERROR, State.FAILED, State.PASSED)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the student's code cost the database: counts, and wall time in milliseconds."""

    statements: int = 0
    commits: int = 0
    ms: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Sum two costs."""
        return Cost(self.statements + other.statements, self.commits + other.commits, self.ms + other.ms)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One scenario's outcome.

    Attributes:
        call: What the judge asked of the student's code last, in words.
        expected: What had to be seen.
        observed: What was seen: rows, a response, a measurement.
        timeline: Traced events (`TracedEvent.as_dict()`), oldest first, of the student's engine.
        engine: The database it ran on, and what could not be shown there.
    """

    title: str
    state: State
    points: float = 1.0
    message: str = ""
    call: str = ""
    expected: str = ""
    observed: str = ""
    frame: StudentFrame | None = None
    timeline: tuple[dict[str, Any], ...] = ()
    engine: str = "sqlite"
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class LikelyCause:
    """A misconception that explains what was seen: its name and the reply to it."""

    name: str
    reply: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: one state, the cases behind it, and the likely causes."""

    exercise: str
    title: str
    cases: tuple[CaseResult, ...]
    causes: tuple[LikelyCause, ...] = ()
    not_run: int = 0
    printed: str = ""
    ms: float = 0.0

    @property
    def state(self) -> State:
        """The gravest state among the cases."""
        return min((case.state for case in self.cases), key=SEVERITY.index, default=State.NOT_ATTEMPTED)

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return self.state is State.PASSED

    @property
    def cause(self) -> LikelyCause | None:
        """The first likely cause, if any explains what was seen."""
        return self.causes[0] if self.causes else None

    @property
    def decisive(self) -> CaseResult | None:
        """The first case with the gravest state; None when all passed."""
        if self.passed:
            return None
        return next((case for case in self.cases if case.state is self.state), None)

    @property
    def cost(self) -> Cost:
        """The summed cost of all cases."""
        return sum((case.cost for case in self.cases), Cost())

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-able data."""
        return {**asdict(self), "state": self.state.value, "cost": asdict(self.cost)}
