"""`progress()`: how far you are, section by section.

Section:
    00, "The map"
"""

from __future__ import annotations

from lab_support.exercises import Exercise, section, section_title, sections
from lab_support.workbook.progress_store import ExerciseRecord, ProgressStore, default_store
from lab_support.workbook.progress_view import ExerciseProgress, ProgressReport, SectionProgress


def progress(number: str | None = None, *, store: ProgressStore | None = None) -> ProgressReport:
    """Report the best state, attempts and hints of every exercise, or of one section's.

    Raises:
        UnknownExerciseError: There is no such section.
    """
    wanted = sections() if number is None else (number,)
    return ProgressReport([_section(one, store or default_store()) for one in wanted])


def _section(number: str, store: ProgressStore) -> SectionProgress:
    exercises = section(number)
    known = store.summary(exercise.id for exercise in exercises)
    return SectionProgress(number, section_title(number), [_line(one, known[one.id]) for one in exercises])


def _line(exercise: Exercise, kept: ExerciseRecord) -> ExerciseProgress:
    return ExerciseProgress(exercise.id, exercise.title, kept.state, kept.attempts, kept.hints, kept.gave_up)
