"""Every exercise by its id, and every section by its number.

Section:
    All sections.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

from lab_support.exercises.model import Exercise

STEMS = {
    "13.1": "13_01_sqlalchemy_orm",
    "13.2": "13_02_dto_and_entity",
    "13.3": "13_03_repository",
    "13.4": "13_04_local_transactions",
    "13.5": "13_05_sagas_and_outbox",
    "13.6": "13_06_coordinated_rollback",
    "13.7": "13_07_mongodb_with_motor",
    "13.8": "13_08_flexible_schemas",
    "13.9": "13_09_database_per_service",
    "13.10": "13_10_pools_and_timeouts",
}


class UnknownExerciseError(LookupError):
    """No exercise or section has that id; the text lists those there are."""


def sections() -> tuple[str, ...]:
    """Return the numbers of the sections whose exercises exist, in order."""
    return tuple(number for number in STEMS if find_spec(_module_name(number)))


def section_title(number: str) -> str:
    """Return a section's title, in words.

    Raises:
        UnknownExerciseError: There is no such section.
    """
    return str(import_module(_module_name(_known(number))).TITLE)


@lru_cache(maxsize=16)
def section(number: str) -> tuple[Exercise, ...]:
    """Return a section's exercises in order.

    Raises:
        UnknownExerciseError: There is no such section.
    """
    exercises: tuple[Exercise, ...] = import_module(_module_name(_known(number))).EXERCISES
    return exercises


def find(exercise_id: str) -> Exercise:
    """Return the exercise with this id.

    Raises:
        UnknownExerciseError: There is none; the text lists those of the section.
    """
    number, _, _ = str(exercise_id).rpartition(".")
    for exercise in section(number or str(exercise_id)):
        if exercise.id == exercise_id:
            return exercise
    known = ", ".join(exercise.id for exercise in section(number or str(exercise_id)))
    raise UnknownExerciseError(f"There is no exercise {exercise_id}. Section {number} has {known}.")


def load_all() -> tuple[Exercise, ...]:
    """Import every section that exists and return its exercises."""
    return tuple(exercise for number in sections() for exercise in section(number))


def _module_name(number: str) -> str:
    return f"lab_support.exercises.s{STEMS[number][:5]}"


def _known(number: str) -> str:
    if number in sections():
        return number
    raise UnknownExerciseError(f"There is no section {number}. The sections are {', '.join(sections())}.")
