"""Every stored answer: traps are caught for their own reason, variants and references pass, blanks are blank."""

from functools import cache
from pathlib import Path

import pytest

from lab_support.authoring.notebook_runs import finding_about_blank, finding_about_reference
from lab_support.authoring.stored_answers import StoredAnswer, every_answer, finding_about
from lab_support.exercises import Exercise, load_all
from lab_support.exercises.registry import STEMS
from lab_support.grading.records import VerdictRecord
from lab_support.grading.runner import run_notebook

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"  # wrong answers leave coroutines behind
)

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = every_answer(ROOT, load_all())


@cache
def records_of(folder: str, stem: str) -> dict[str, VerdictRecord]:
    """Run a notebook once for all the tests that ask about it."""
    return {record.exercise: record for record in run_notebook(ROOT / folder / f"{stem}.ipynb", counts=False)}


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_stored_answer_is_judged_as_it_deserves(answer: StoredAnswer) -> None:
    """A trap has exactly its own cause, a right variant passes, and doing nothing does not."""
    assert finding_about(answer) is None


@pytest.mark.parametrize("exercise", load_all(), ids=lambda exercise: exercise.id)
def test_reference_solution_passes(exercise: Exercise) -> None:
    """The reference in solutions/ passes its own check."""
    assert finding_about_reference(records_of("solutions", STEMS[exercise.section])[exercise.id]) is None


@pytest.mark.parametrize("exercise", load_all(), ids=lambda exercise: exercise.id)
def test_blank_is_not_attempted(exercise: Exercise) -> None:
    """The blank in labs/ says "not attempted", whatever else the notebook does."""
    assert finding_about_blank(records_of("labs", STEMS[exercise.section])[exercise.id]) is None
