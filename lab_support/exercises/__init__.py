"""What students are asked, and the engine that judges it: one module per section (13.1-13.10).

May import `services` and everything below it. Renders nothing: a verdict is data.
The judge itself is loaded at the first check, so that a notebook starts at once.
"""

from typing import TYPE_CHECKING, Any

from lab_support.exercises.model import Exercise, Misconception, Seen
from lab_support.exercises.registry import (
    UnknownExerciseError,
    find,
    load_all,
    section,
    section_title,
    sections,
)
from lab_support.exercises.verdict import CaseResult, Cost, State, Verdict

if TYPE_CHECKING:
    from lab_support.exercises.judging import FIRST_SEED, judge
    from lab_support.exercises.story import Story

__all__ = [
    "FIRST_SEED", "CaseResult", "Cost", "Exercise", "Misconception", "Seen", "State", "Story", "UnknownExerciseError",
    "Verdict", "find", "judge", "load_all", "section", "section_title", "sections",
]  # fmt: skip

_LATER = {"FIRST_SEED": "judging", "judge": "judging", "Story": "story"}


def __getattr__(name: str) -> Any:
    """Load the judge, or the story it tells, when it is first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
