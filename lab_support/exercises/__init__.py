"""What students are asked, and the engine that judges it: one module per section (13.1-13.10).

May import `services` and everything below it. Renders nothing: a verdict is data.
"""

from lab_support.exercises.judge import FIRST_SEED, judge
from lab_support.exercises.model import Exercise, Misconception, Seen
from lab_support.exercises.registry import (
    UnknownExerciseError,
    find,
    load_all,
    section,
    section_title,
    sections,
)
from lab_support.exercises.story import Story
from lab_support.exercises.verdict import CaseResult, Cost, State, Verdict

__all__ = [
    "FIRST_SEED", "CaseResult", "Cost", "Exercise", "Misconception", "Seen", "State", "Story", "UnknownExerciseError",
    "Verdict", "find", "judge", "load_all", "section", "section_title", "sections",
]  # fmt: skip
