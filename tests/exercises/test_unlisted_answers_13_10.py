"""Answers to 13.10 that nobody stored: wrong ones get no false cause, right ones pass, none breaks the judge."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab_support.authoring import stored_answers
from lab_support.authoring.stored_answers import every_answer
from lab_support.exercises import State, Verdict, find, judge, section

ROOT = Path(__file__).resolve().parents[2]
ANOTHER_SEED = 7


def judged(exercise_id: str, *objects: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)))


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("nonsense", [None, 7, object, print])
@pytest.mark.parametrize("exercise_id", [exercise.id for exercise in section("13.10")])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


@pytest.mark.parametrize("answer", every_answer(ROOT, section("13.10")), ids=str)
def test_verdict_does_not_hang_on_what_is_drawn_first(answer, monkeypatch):
    """With other numbers, too, each trap has its own cause, and each variant passes."""
    monkeypatch.setattr(stored_answers, "judge", partial(judge, seed=ANOTHER_SEED))

    assert stored_answers.finding_about(answer) is None


# 13.10.1


def sized(**changes: int) -> Any:
    """Make an answer that divides as the task says, but for what is changed."""

    def pool_options(**service: int) -> dict[str, int]:
        workers, engines, most, reserved = (service | changes).values()
        if min(service.values()) < 1 or most - reserved < workers * engines:
            raise ValueError("too few")
        return {"pool_size": min(10, (most - reserved) // (workers * engines)), "max_overflow": 0}

    return pool_options


def test_sizes_as_asked_for_pass():
    """The function that the next tests change is right."""
    assert judged("13.10.1", sized()).passed


@pytest.mark.parametrize("forgotten", [{"engines": 1}, {"reserved": 0}], ids=str)
def test_forgetting_something_else_than_the_workers_has_no_cause(forgotten):
    """Who forgets the engines, or what is reserved, knows that each worker has pools."""
    assert causes(judged("13.10.1", sized(**forgotten))) == []


@pytest.mark.parametrize(
    "options", [{}, {"pool_size": 10, "max_overflow": 0}, {"pool_size": 1, "max_overflow": 0}]
)
def test_sizes_that_never_change_have_no_cause(options):
    """SQLAlchemy's defaults, ten for everybody, and one for everybody: none looks at the server."""
    assert causes(judged("13.10.1", lambda **_: options)) == []


def test_options_that_no_engine_takes_are_an_error_in_the_code():
    """A misspelt option is told by SQLAlchemy's own words."""
    verdict = judged("13.10.1", lambda **_: {"size": 5})

    assert verdict.state is State.ERROR
    assert "size" in verdict.decisive.message
